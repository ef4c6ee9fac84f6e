"""``manage.py cleanup_sessions``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandParser

from djust.conf import get_config
from djust.log import logger
from djust.maintenance import record_run
from djust.management.base import StoreCommand, add_budget, bad_arguments, caller, seconds
from djust.models import MaintenanceRun
from djust.monitoring.losses import recorded_losses
from djust.sessions import NOT_APPLICABLE, clean_up, count_due, warn_if_shorter
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import get_backend

Result = tuple[dict[str, Any], Sequence[str]]


class Command(StoreCommand):
    """Cleans up expired sessions, or all of them."""

    help = (
        "Remove the LiveView sessions whose time ran out, and report each once. "
        "Exit status: 0 done, skipped or not applicable; 1 the store cannot be reached; 2 bad arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See ``BaseCommand``."""
        super().add_arguments(parser)
        parser.add_argument(
            "--ttl",
            type=seconds,
            metavar="SECONDS",
            help="also remove what has been idle for longer than this; sessions that never idle out stay. "
            "Leave it out to go by each session's own time to live.",
        )
        add_budget(parser)
        parser.add_argument("--dry-run", action="store_true", help="only say how many would be removed")
        parser.add_argument("--all", action="store_true", help="delete every session under KEY_PREFIX, live or not")
        parser.add_argument("--yes", action="store_true", help="do not ask before --all")

    def work(self, options: dict[str, Any]) -> Result:
        """See ``StoreCommand``."""
        if options["all"] and options["ttl"] is not None:
            bad_arguments("--all removes every session, so --ttl has no meaning beside it. Use one of them.")
        if options["all"] and not options["dry_run"]:
            self._confirm(options)
        if warn_if_shorter(options["ttl"]):
            self.stderr.write(
                self.style.WARNING(
                    f"--ttl {options['ttl']:g} is shorter than SESSION_TTL ({get_config().session_ttl:g} s): sessions "
                    "that are still wanted end too. Leave --ttl out to go by each session's own time to live."
                )
            )
        backend = get_backend()
        out_of_reach = backend.process_local and not backend.ever_used
        if options["dry_run"]:
            return _not_applicable(backend) if out_of_reach else _count(backend, options)
        if options["all"] and not out_of_reach:
            return _delete_all(backend)
        return self._clean_up(backend, options)

    def _confirm(self, options: dict[str, Any]) -> None:
        if options["yes"]:
            return
        if not sys.stdin.isatty():
            bad_arguments("--all deletes every session. Add --yes to say that you mean it.")
        question = f"This ends every session{_place(get_backend())}, live ones too. Type 'yes' to go on: "
        self.stderr.write(question, style_func=str, ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip() != "yes":
            bad_arguments("Nothing was deleted.")

    def _clean_up(self, backend: StateBackend, options: dict[str, Any]) -> Result:
        with (
            record_run(MaintenanceRun.Task.CLEANUP, trigger="command", triggered_by=caller()) as run,
            recorded_losses(backend, trigger="command") as tally,
            self.progress("sessions", options) as bar,
        ):
            report = clean_up(
                backend,
                ttl=options["ttl"],
                trigger="command",
                budget_seconds=options["budget"],
                on_progress=(lambda progress: bar.update(progress.removed, progress.total)) if bar.shown else None,
                tally=tally,
            )
            figures = run.finish(report.as_dict())
        return figures, _lines(figures)


def _count(backend: StateBackend, options: dict[str, Any]) -> Result:
    ttl = options["ttl"]
    lines = [] if ttl is None or ttl > 0 else ["A ttl of zero or less removes nothing."]
    if options["all"]:
        count = backend.get_stats()["total_sessions"]
        lines.append(f"Would delete {count} sessions{_place(backend)}")
    else:
        count = count_due(backend, ttl)
        lines.append(f"Would clean {count} expired sessions")
    return {"outcome": "dry_run", "backend": backend.name, "would_remove": count}, lines


def _delete_all(backend: StateBackend) -> Result:
    with record_run(MaintenanceRun.Task.CLEANUP, trigger="command", triggered_by=caller()) as run:
        removed = backend.delete_all()
        logger.warning("sessions_deleted_all", backend=backend.name, trigger="command", removed=removed)
        report = run.finish({"outcome": "done", "backend": backend.name, "removed": removed, "all": True})
    return report, [f"Deleted {removed} sessions{_place(backend)}"]


def _place(backend: StateBackend) -> str:
    return "" if backend.process_local else f" under prefix {get_config().key_prefix}"


def _not_applicable(backend: StateBackend) -> Result:
    report = {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    return report, _lines(report)


def _lines(report: dict[str, Any]) -> list[str]:
    if report["outcome"] == "not_applicable":
        return [f"Not applicable: {report['reason']}"]
    if report["outcome"] == "skipped":
        return [f"Skipped: {report['reason']}"]
    lines = [report["reason"]] if report["reason"] else []
    if report["outcome"] == "partial":
        lines.append(f"{report['remaining']} overdue sessions are left for the next run.")
    if report["evicted"]:
        lines.append(f"{report['evicted']} sessions had been lost before their time, and were reported as such.")
    if report["errors"]:
        lines.append(f"{report['errors']} receivers of a report raised an error.")
    if report["unreported"]:
        lines.append(
            f"{report['unreported']} sessions were removed by a clean-up that did not reach its end, without a report."
        )
    return [*lines, f"Cleaned {report['removed']} expired sessions"]
