"""``djust.tasks.reconcile``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Task, shared_task

from djust.maintenance import LONG_SOFT_TIME_LIMIT_SECONDS, last_run, record_run
from djust.models import MaintenanceRun
from djust.reconcile import reconcile as reconcile_sessions
from djust.tasks.base import LONG_OPTIONS, origin

#: Half of the time limit, so that a slow store does not run into it.
BUDGET_SECONDS = LONG_SOFT_TIME_LIMIT_SECONDS / 2


@shared_task(name="djust.tasks.reconcile", **LONG_OPTIONS)
def reconcile(self: Task[Any, Any], repair: Sequence[str] = ()) -> dict[str, Any]:
    """Compare index and data, going on where the last run had no time left.

    Args:
        self: The task.
        repair: Kinds of findings to repair; nothing by default.
    """
    asked = origin(self)
    previous = last_run(MaintenanceRun.Task.RECONCILE)
    cursor = None if previous is None else previous.figures.get("cursor")
    with record_run(MaintenanceRun.Task.RECONCILE, **asked) as run:
        report = reconcile_sessions(
            repair=repair, cursor=cursor, budget_seconds=BUDGET_SECONDS, trigger=asked["trigger"]
        )
        return run.finish(report.as_dict())
