"""``manage.py cleanup_sessions``."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from djust.conf import get_config
from djust.exceptions import BackendError
from djust.maintenance import record_run
from djust.management.arguments import bad_arguments, caller, seconds, store_failed
from djust.management.progress import ProgressBar
from djust.models import MaintenanceRun
from djust.sessions import NOT_APPLICABLE, clean_up, count_due
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import get_backend

#: A person waits for as long as it takes.
NO_BUDGET_SECONDS = 365 * 86_400.0


class Command(BaseCommand):
    """Cleans up expired sessions, or all of them."""

    help = (
        "Remove the LiveView sessions whose time ran out, and report each once. "
        "Exit status: 0 done, skipped or not applicable; 1 the store cannot be reached; 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        parser.add_argument(
            "--ttl",
            type=seconds,
            metavar="SECONDS",
            help="also remove what has been idle for longer than this; sessions that never idle out stay. "
            "Leave it out to go by each session's own time to live.",
        )
        parser.add_argument(
            "--budget",
            type=seconds,
            metavar="SECONDS",
            default=NO_BUDGET_SECONDS,
            help="stop after this time and leave the rest; by default nothing is left",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say how many would be removed")
        parser.add_argument("--all", action="store_true", help="delete every session under KEY_PREFIX, live or not")
        parser.add_argument("--yes", action="store_true", help="do not ask before --all")
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        """See ``BaseCommand``."""
        if options["all"] and (options["ttl"] is not None):
            bad_arguments("--all removes every session, so --ttl has no meaning beside it. Use one of them.")
        if options["budget"] <= 0:
            bad_arguments("--budget must be greater than zero.")
        try:
            report, line = self._work(options)
        except BackendError as error:
            store_failed(error)
        self.stdout.write(json.dumps(report) if options["json"] else line)

    def _work(self, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        backend = get_backend()
        if backend.process_local and not backend.ever_used:
            return self._clean_up(backend, options) if not options["dry_run"] else _not_applicable(backend)
        if options["dry_run"]:
            return self._count(backend, options)
        if options["all"]:
            self._confirm(options)
            return self._delete_all(backend)
        return self._clean_up(backend, options)

    def _count(self, backend: StateBackend, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        if options["all"]:
            count = backend.get_stats()["total_sessions"]
            line = f"Would delete {count} sessions"
        else:
            count = count_due(backend, options["ttl"])
            line = f"Would clean {count} expired sessions"
        return {"outcome": "dry_run", "backend": backend.name, "would_remove": count}, line

    def _confirm(self, options: dict[str, Any]) -> None:
        if options["yes"]:
            return
        if not sys.stdin.isatty():
            bad_arguments("--all deletes every session. Add --yes to say that you mean it.")
        self.stderr.write(f"This ends every session under {get_config().key_prefix!r}, live ones too.")
        if input("Type 'yes' to go on: ") != "yes":
            bad_arguments("Nothing was deleted.")

    def _delete_all(self, backend: StateBackend) -> tuple[dict[str, Any], str]:
        with record_run(MaintenanceRun.Task.CLEANUP, trigger="command", triggered_by=caller()) as run:
            removed = backend.delete_all()
            report = run.finish({"outcome": "done", "backend": backend.name, "removed": removed, "all": True})
        return report, f"Deleted {removed} sessions"

    def _clean_up(self, backend: StateBackend, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        bar = ProgressBar(sys.stderr, "sessions")
        shows = sys.stderr.isatty() and not options["json"]
        with record_run(MaintenanceRun.Task.CLEANUP, trigger="command", triggered_by=caller()) as run:
            report = clean_up(
                backend,
                ttl=options["ttl"],
                trigger="command",
                budget_seconds=options["budget"],
                on_progress=(lambda progress: bar.update(progress.removed, progress.total)) if shows else None,
            )
            bar.clear()
            figures = run.finish(report.as_dict())
        return figures, _line(figures)


def _not_applicable(backend: StateBackend) -> tuple[dict[str, Any], str]:
    report = {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    return report, _line(report)


def _line(report: dict[str, Any]) -> str:
    if report["outcome"] == "not_applicable":
        return f"Not applicable: {report['reason']}"
    if report["outcome"] == "skipped":
        return f"Skipped: {report['reason']}"
    lines = [f"Cleaned {report['removed']} expired sessions"]
    if report["outcome"] == "partial":
        lines.insert(0, f"{report['reason']} {report['remaining']} overdue sessions are left.")
    if report["evicted"]:
        lines.insert(0, f"{report['evicted']} sessions had been lost before their time, and were reported as such.")
    return "\n".join(lines)
