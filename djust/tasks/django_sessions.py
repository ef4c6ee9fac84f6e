"""``djust.tasks.clear_django_sessions``."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task
from django.core.management import call_command

from djust.maintenance import record_run
from djust.models import MaintenanceRun
from djust.tasks.base import LONG_OPTIONS, origin


@shared_task(name="djust.tasks.clear_django_sessions", **LONG_OPTIONS)
def clear_django_sessions(self: Task[Any, Any]) -> dict[str, Any]:
    """Run Django's ``clearsessions``, which removes expired sessions of ``django.contrib.sessions``."""
    with record_run(MaintenanceRun.Task.CLEAR_DJANGO_SESSIONS, **origin(self)) as run:
        call_command("clearsessions")
        return run.finish({"outcome": "done"})
