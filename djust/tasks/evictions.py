"""``djust.tasks.check_evictions``."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from djust.maintenance import record_run
from djust.models import MaintenanceRun
from djust.monitoring import check
from djust.tasks.base import OPTIONS, origin


@shared_task(name="djust.tasks.check_evictions", **OPTIONS)
def check_evictions(self: Task[Any, Any]) -> dict[str, Any]:
    """Look for evictions and lost sessions, and raise and resolve alerts."""
    asked = origin(self)
    with record_run(MaintenanceRun.Task.CHECK_EVICTIONS, **asked) as run:
        return run.finish(check.check_evictions(trigger=asked["trigger"]))
