"""``djust.tasks.check_evictions``."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from djust import monitoring
from djust.maintenance import last_run, record_run
from djust.models import MaintenanceRun
from djust.tasks.base import OPTIONS, origin


@shared_task(name="djust.tasks.check_evictions", **OPTIONS)
def check_evictions(self: Task[Any, Any]) -> dict[str, Any]:
    """Warn when Redis has dropped keys since the last check."""
    asked = origin(self)
    previous = last_run(MaintenanceRun.Task.CHECK_EVICTIONS)
    with record_run(MaintenanceRun.Task.CHECK_EVICTIONS, **asked) as run:
        figures = None if previous is None else previous.figures
        return run.finish(monitoring.check_evictions(figures, trigger=asked["trigger"]))
