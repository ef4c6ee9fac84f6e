"""The history of maintenance runs. A database that is away does not stop the work itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connections, router, transaction
from django.utils import timezone

from djust.conf import get_config
from djust.exceptions import DjustError
from djust.log import logger
from djust.models import MaintenanceRun

#: Hard time limit of the tasks, in seconds. A run that says "running" for longer was killed.
TIME_LIMIT_SECONDS = 60.0
SOFT_TIME_LIMIT_SECONDS = 50.0
LONG_TIME_LIMIT_SECONDS = 3600.0
LONG_SOFT_TIME_LIMIT_SECONDS = 3500.0

_TASK = MaintenanceRun.Task
_OUTCOME = MaintenanceRun.Outcome
_DID_NOT_RUN = (_OUTCOME.SKIPPED, _OUTCOME.NOT_APPLICABLE)
_TOLD_TO_END = "The process was told to end before the run did: by a time limit, by whoever stopped it, or by Ctrl-C."
_DATABASE_ERRORS = (DatabaseError, InterfaceError)


@dataclass(slots=True)
class Run:
    """A run under way. What is set here is written when it ends."""

    task: str
    outcome: str = _OUTCOME.DONE
    reason: str = ""
    error: str = ""
    removed: int = 0
    figures: dict[str, Any] = field(default_factory=dict)

    def finish(self, report: dict[str, Any]) -> dict[str, Any]:
        """Take over outcome, reason and figures of a report, and return it."""
        self.outcome = report.get("outcome", _OUTCOME.DONE)
        self.reason = report.get("reason") or ""
        self.removed = report.get("removed") or 0
        # What did not run has counted nothing: its zeros would read like findings.
        names = ("backend",) if self.outcome in _DID_NOT_RUN else report.keys() - {"outcome", "reason"}
        self.figures = {name: value for name, value in report.items() if name in names}
        return report


@contextmanager
def record_run(task: str, *, trigger: str, triggered_by: str = "", task_id: str = "") -> Iterator[Run]:
    """Write a row of history around a run.

    Args:
        task: One of ``MaintenanceRun.Task``.
        trigger: One of ``MaintenanceRun.Trigger``.
        triggered_by: The schedule, or the user.
        task_id: Celery's id.
    """
    run = Run(task)
    started_at = timezone.now()
    started = time.monotonic()
    row = _begin(
        MaintenanceRun(
            task=task,
            trigger=trigger,
            triggered_by=triggered_by[:200],
            task_id=task_id[:64],
            started_at=started_at,
        )
    )
    try:
        yield run
    except (SystemExit, KeyboardInterrupt):
        run.outcome, run.reason = _OUTCOME.KILLED, _TOLD_TO_END
        raise
    except BaseException as error:
        run.outcome = _OUTCOME.FAILED
        # Only our own messages are known to hold no secret.
        run.error = str(error) if isinstance(error, DjustError) else type(error).__name__
        if isinstance(error, DjustError) and error.figures:
            run.figures, run.removed = error.figures, error.figures.get("removed", 0)
        raise
    finally:
        _end(row, run, (time.monotonic() - started) * 1000)


def last_run(task: str) -> MaintenanceRun | None:
    """Return the last run of a task that has figures, or ``None``, also when the database is away."""
    try:
        return MaintenanceRun.objects.filter(task=task, outcome__in=(_OUTCOME.DONE, _OUTCOME.PARTIAL)).first()
    except _DATABASE_ERRORS as error:
        _unavailable(error)
        return None


def _begin(row: MaintenanceRun) -> MaintenanceRun | None:
    return row if _write(lambda: row.save(force_insert=True)) else None


def _end(row: MaintenanceRun | None, run: Run, duration_ms: float) -> None:
    if row is None:
        return
    row.outcome, row.reason, row.error = run.outcome, run.reason, run.error
    row.removed, row.figures, row.duration_ms = run.removed, run.figures, round(duration_ms, 3)
    # Each by itself: that of two runs that prune at once one is refused must not cost its row.
    if _write(row.save) and _write(lambda: _mark_killed(row)):
        _write(_prune)


def _write(action: Callable[[], None]) -> bool:
    """Write to the history and return whether that worked.

    A run may take long enough for the database to restart meanwhile, so what fails on a connection that was open
    before is tried again on a new one. The transaction keeps a caller's own one usable when both attempts fail.
    """
    using = router.db_for_write(MaintenanceRun)
    connection = connections[using]
    was_open = connection.connection is not None and not connection.in_atomic_block
    try:
        try:
            with transaction.atomic(using=using):
                action()
        except (OperationalError, InterfaceError):
            if not was_open:
                raise
            connection.close_if_unusable_or_obsolete()
            with transaction.atomic(using=using):
                action()
    except _DATABASE_ERRORS as error:
        _unavailable(error)
        return False
    return True


def _mark_killed(row: MaintenanceRun) -> None:
    """Close the rows of runs that can no longer be running."""
    running = MaintenanceRun.objects.filter(outcome=_OUTCOME.RUNNING)
    killed = {"outcome": _OUTCOME.KILLED, "reason": "The process ended before the run did."}
    if row.task == _TASK.CLEANUP and row.figures.get("smallest_slice") is not None:
        # This run swept, for which it needs the lease, so whoever had that before is gone.
        before = row.started_at - timedelta(seconds=get_config().cleanup_lease_seconds)
        running.filter(task=_TASK.CLEANUP, started_at__lt=before).update(**killed)
    limit = timedelta(seconds=LONG_TIME_LIMIT_SECONDS)
    running.filter(started_at__lt=row.started_at - limit).update(**killed)


def _prune() -> None:
    cutoff = timezone.now() - timedelta(days=get_config().run_history_days)
    MaintenanceRun.objects.filter(started_at__lt=cutoff).delete()


def _unavailable(error: Exception) -> None:
    logger.error("history_unavailable", error=type(error).__name__)
