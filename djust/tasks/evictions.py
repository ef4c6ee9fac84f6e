"""``djust.tasks.check_evictions``."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from celery import Task, shared_task
from kombu.exceptions import OperationalError

from djust.maintenance import record_run
from djust.models import MaintenanceRun
from djust.monitoring import check
from djust.tasks.base import OPTIONS, origin
from djust.tasks.reconcile import reconcile

#: What makes an index whole that was evicted in parts: what it lost, and what is left over of what it lost.
REBUILD = ("data_without_index", "index_without_data")

#: A message to rebuild the index that no worker took within this time is dropped.
REBUILD_EXPIRES_SECONDS = 3600


@shared_task(name="djust.tasks.check_evictions", **OPTIONS)
def check_evictions(self: Task[Any, Any]) -> dict[str, Any]:
    """Look for evictions and lost sessions, raise and resolve alerts, and have a lost index rebuilt."""
    asked = origin(self)
    with record_run(MaintenanceRun.Task.CHECK_EVICTIONS, **asked) as run:
        report = run.finish(check.check_evictions(trigger=asked["trigger"]))
    if report.get("rebuild"):
        # The broker may be what is short of memory: then the alert, which says the same, has to do.
        with suppress(OperationalError):
            reconcile.apply_async(kwargs={"repair": list(REBUILD)}, expires=REBUILD_EXPIRES_SECONDS)
    return report
