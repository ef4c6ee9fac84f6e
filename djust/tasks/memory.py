"""``djust.tasks.sample_redis_memory``."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from djust.maintenance import record_run
from djust.models import MaintenanceRun
from djust.monitoring.sampling import sample_memory
from djust.tasks.base import OPTIONS, origin


@shared_task(name="djust.tasks.sample_redis_memory", **OPTIONS)
def sample_redis_memory(self: Task[Any, Any]) -> dict[str, Any]:
    """Log and record what Redis says about its memory."""
    asked = origin(self)
    with record_run(MaintenanceRun.Task.SAMPLE_MEMORY, **asked) as run:
        return run.finish(sample_memory(trigger=asked["trigger"]))
