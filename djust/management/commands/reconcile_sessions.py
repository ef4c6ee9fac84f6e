"""``manage.py reconcile_sessions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from djust.log import hashed
from djust.maintenance import record_run
from djust.management.base import StoreCommand, add_budget, caller
from djust.models import MaintenanceRun
from djust.reconcile import MAX_LISTED, ReconcileReport, reconcile
from djust.state_backend.records import FINDING_KINDS, REPAIRABLE_KINDS
from djust.state_backend.registry import get_backend


class Command(StoreCommand):
    """Compares the index of sessions with the data."""

    help = (
        "Compare the index of sessions with the data. Changes nothing unless --repair names what to repair. "
        "Exit status: 0 done or not applicable; 1 the store cannot be reached; 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        super().add_arguments(parser)
        parser.add_argument(
            "--repair",
            nargs="+",
            choices=REPAIRABLE_KINDS,
            metavar="KIND",
            default=[],
            help=f"kinds of findings to repair: {', '.join(REPAIRABLE_KINDS)}",
        )
        parser.add_argument("--resume", metavar="CURSOR", help="go on where an earlier run had no time left")
        add_budget(parser)
        parser.add_argument("--show-keys", action="store_true", help="name sessions by key instead of the log's hash")

    def work(self, options: dict[str, Any]) -> tuple[dict[str, Any], Sequence[str]]:
        """See ``StoreCommand``."""
        if options["resume"] is not None:
            # Before there is a row in the history: it is a slip of the pen, and no run.
            get_backend().check_cursor(options["resume"])
        with (
            record_run(MaintenanceRun.Task.RECONCILE, trigger="command", triggered_by=caller()) as run,
            self.progress("entries", options) as bar,
        ):
            report = reconcile(
                repair=options["repair"],
                cursor=options["resume"],
                budget_seconds=options["budget"],
                trigger="command",
                on_progress=bar.update,
            )
            figures = run.finish(report.as_dict())
        findings = _findings(report, show_keys=options["show_keys"])
        return {**figures, "findings": findings}, _lines(report, findings, repairs=bool(options["repair"]))


def _findings(report: ReconcileReport, *, show_keys: bool) -> list[dict[str, Any]]:
    name, shown = ("key", str) if show_keys else ("session", hashed)
    return [
        {"kind": finding.kind, name: shown(finding.key), "detail": finding.detail, "repaired": finding.repaired}
        for finding in report.findings
    ]


def _lines(report: ReconcileReport, findings: list[dict[str, Any]], *, repairs: bool) -> list[str]:
    if report.outcome == "not_applicable":
        return [f"Not applicable: {report.reason}"]
    lines = []
    for finding in findings:
        done = "repaired" if finding["repaired"] else "found"
        name = finding.get("key", finding.get("session"))
        lines.append(f"{done:9} {finding['kind']:19} {name}  {finding['detail']}")
    total = sum(report.found.values())
    if total > len(findings):
        lines.append(f"and {total - len(findings)} more; the first {MAX_LISTED} are listed.")
    lines += [f"{kind:20} {report.found[kind]:8} found {report.repaired[kind]:8} repaired" for kind in FINDING_KINDS]
    if not repairs:
        lines.append("Nothing was changed: --repair names what to repair.")
    lines.append(f"Checked {report.checked} entries")
    if report.cursor:
        lines.append(f"Not finished, the time is spent. Go on with --resume {report.cursor}")
    return lines
