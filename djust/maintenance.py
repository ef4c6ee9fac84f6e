"""The history of maintenance runs. A database that is away does not stop the work itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from djust import totals
from djust.conf import get_config
from djust.database import DATABASE_ERRORS, unavailable, write
from djust.exceptions import BackendUnavailable, DjustError
from djust.models import MaintenanceRun

#: Hard time limit of the tasks, in seconds. A run that says "running" for longer was killed.
TIME_LIMIT_SECONDS = 60.0
SOFT_TIME_LIMIT_SECONDS = 50.0
LONG_TIME_LIMIT_SECONDS = 3600.0
LONG_SOFT_TIME_LIMIT_SECONDS = 3500.0

#: How long the rows of samples, and of checks that found nothing, are kept: there are thousands a day.
UNEVENTFUL_KEPT = timedelta(days=1)

_TASK = MaintenanceRun.Task
_OUTCOME = MaintenanceRun.Outcome
_DID_NOT_RUN = (_OUTCOME.SKIPPED, _OUTCOME.NOT_APPLICABLE)
#: These have no command, which may take as long as it likes.
_ALWAYS_SHORT = (_TASK.SAMPLE_MEMORY, _TASK.CHECK_EVICTIONS)
_TOLD_TO_END = "The process was told to end before the run did: by a time limit, by whoever stopped it, or by Ctrl-C."


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
def record_run(
    task: str, *, trigger: str, triggered_by: str = "", task_id: str = "", attempt: int = 1, attempts: int = 1
) -> Iterator[Run]:
    """Write a row of history around a run.

    Args:
        task: One of ``MaintenanceRun.Task``.
        trigger: One of ``MaintenanceRun.Trigger``.
        triggered_by: The schedule, or the user.
        task_id: Celery's id.
        attempt: Which attempt of the task this is: each has a row, under the same id.
        attempts: How many there are while the store is away.
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
        if isinstance(error, BackendUnavailable) and attempts > 1:
            run.reason = f"Attempt {attempt} of {attempts}" + (": it is tried again." if attempt < attempts else ".")
        raise
    finally:
        _end(row, run, (time.monotonic() - started) * 1000)


def last_run(task: str) -> MaintenanceRun | None:
    """Return the last run of a task that has figures, or ``None``, also when the database is away."""
    try:
        return MaintenanceRun.objects.filter(task=task, outcome__in=(_OUTCOME.DONE, _OUTCOME.PARTIAL)).first()
    except DATABASE_ERRORS as error:
        unavailable(error)
        return None


def _begin(row: MaintenanceRun) -> MaintenanceRun | None:
    return row if write(MaintenanceRun, lambda: row.save(force_insert=True)) else None


def _end(row: MaintenanceRun | None, run: Run, duration_ms: float) -> None:
    if row is None:
        return
    row.outcome, row.reason, row.error = run.outcome, run.reason, run.error
    row.removed, row.figures, row.duration_ms = run.removed, run.figures, round(duration_ms, 3)
    # Each by itself: that of two runs that prune at once one is refused must not cost its row.
    if write(MaintenanceRun, row.save) and write(MaintenanceRun, lambda: _mark_killed(row)):
        write(MaintenanceRun, _prune)
        _count(row)


def _count(row: MaintenanceRun) -> None:
    totals.add(f"{totals.MAINTENANCE_RUNS}:{row.task}:{row.outcome}")
    if row.task == _TASK.CLEANUP:
        totals.add(totals.SESSIONS_REMOVED, row.removed)


def _mark_killed(row: MaintenanceRun) -> None:
    """Close the rows of runs that can no longer be running."""
    over = Q(started_at__lt=row.started_at - timedelta(seconds=LONG_TIME_LIMIT_SECONDS))
    over |= Q(task__in=_ALWAYS_SHORT, started_at__lt=row.started_at - timedelta(seconds=TIME_LIMIT_SECONDS))
    if row.task == _TASK.CLEANUP and row.figures.get("smallest_slice") is not None:
        # This run swept, for which it needs the lease, so whoever had that before is gone.
        before = row.started_at - timedelta(seconds=get_config().cleanup_lease_seconds)
        over |= Q(task=_TASK.CLEANUP, started_at__lt=before)
    running = MaintenanceRun.objects.filter(outcome=_OUTCOME.RUNNING)
    for pk, task in running.filter(over).values_list("pk", "task"):
        # Of two runs that find it, one closes and counts it.
        if running.filter(pk=pk).update(outcome=_OUTCOME.KILLED, reason="The process ended before the run did."):
            totals.add(f"{totals.MAINTENANCE_RUNS}:{task}:{_OUTCOME.KILLED}")


def _prune() -> None:
    now = timezone.now()
    MaintenanceRun.objects.filter(started_at__lt=now - timedelta(days=get_config().run_history_days)).delete()
    # Samples are kept by themselves, and a check that found nothing says nothing after a day.
    quiet = MaintenanceRun.objects.filter(started_at__lt=now - UNEVENTFUL_KEPT, outcome=_OUTCOME.DONE)
    quiet.filter(Q(task=_TASK.SAMPLE_MEMORY) | Q(task=_TASK.CHECK_EVICTIONS, figures__lost=0)).delete()
