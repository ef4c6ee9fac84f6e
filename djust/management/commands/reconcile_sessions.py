"""``manage.py reconcile_sessions``."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from djust.exceptions import BackendError, InvalidArgument
from djust.log import hashed
from djust.maintenance import record_run
from djust.management.arguments import bad_arguments, caller, seconds, store_failed
from djust.management.progress import ProgressBar
from djust.models import MaintenanceRun
from djust.reconcile import ReconcileReport, reconcile
from djust.state_backend.records import FINDING_KINDS, REPAIRABLE_KINDS


class Command(BaseCommand):
    """Compares the index of sessions with the data."""

    help = (
        "Compare the index of sessions with the data. Changes nothing unless --repair names what to repair. "
        "Exit status: 0 done or not applicable; 1 the store cannot be reached; 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        parser.add_argument("--repair", nargs="+", choices=REPAIRABLE_KINDS, default=[], help="kinds to repair")
        parser.add_argument("--resume", metavar="CURSOR", help="go on where an earlier run had no time left")
        parser.add_argument("--budget", type=seconds, metavar="SECONDS", help="stop after this time")
        parser.add_argument("--show-keys", action="store_true", help="name sessions by key instead of the log's hash")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """See ``BaseCommand``."""
        bar = ProgressBar(sys.stderr, "entries")
        shows = sys.stderr.isatty() and not options["json"]
        try:
            with record_run(MaintenanceRun.Task.RECONCILE, trigger="command", triggered_by=caller()) as run:
                report = reconcile(
                    repair=options["repair"],
                    cursor=options["resume"],
                    budget_seconds=options["budget"],
                    trigger="command",
                    on_progress=bar.update if shows else None,
                )
                bar.clear()
                figures = run.finish(report.as_dict())
        except BackendError as error:
            store_failed(error)
        except InvalidArgument as error:
            bad_arguments(str(error))
        if options["json"]:
            findings = [
                {"kind": f.kind, "session": self._name(f.key, options), "detail": f.detail, "repaired": f.repaired}
                for f in report.findings
            ]
            self.stdout.write(json.dumps({**figures, "findings": findings}))
        else:
            self._print(report, options)

    def _print(self, report: ReconcileReport, options: dict[str, Any]) -> None:
        if report.outcome == "not_applicable":
            self.stdout.write(f"Not applicable: {report.reason}")
            return
        for finding in report.findings:
            done = "repaired" if finding.repaired else "found"
            self.stdout.write(f"{done:9}{finding.kind:20}{self._name(finding.key, options)}  {finding.detail}")
        for kind in FINDING_KINDS:
            self.stdout.write(f"{kind:20} {report.found[kind]:8} found {report.repaired[kind]:8} repaired")
        if report.cursor:
            self.stdout.write(f"{report.reason} Go on with --resume {report.cursor}")
        if not options["repair"]:
            self.stdout.write("Nothing was changed: --repair names what to repair.")
        self.stdout.write(f"Checked {report.checked} entries")

    def _name(self, key: str, options: dict[str, Any]) -> str:
        return key if options["show_keys"] else hashed(key)
