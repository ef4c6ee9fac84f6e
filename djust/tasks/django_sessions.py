"""``djust.tasks.clear_django_sessions``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from celery import Task, shared_task
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError, call_command
from django.utils import timezone

from djust.maintenance import record_run
from djust.models import MaintenanceRun
from djust.tasks.base import LONG_OPTIONS, origin

NOT_INSTALLED = "django.contrib.sessions is not installed."
NOT_SUPPORTED = "The session engine of this project cannot clear expired sessions."


@shared_task(name="djust.tasks.clear_django_sessions", **LONG_OPTIONS)
def clear_django_sessions(self: Task[Any, Any]) -> dict[str, Any]:
    """Run Django's ``clearsessions``, which removes expired sessions of ``django.contrib.sessions``."""
    with record_run(MaintenanceRun.Task.CLEAR_DJANGO_SESSIONS, **origin(self)) as run:
        return run.finish(_clear())


def _clear() -> dict[str, Any]:
    if not apps.is_installed("django.contrib.sessions"):
        return {"outcome": "not_applicable", "reason": NOT_INSTALLED}
    expired = _count_expired()
    try:
        call_command("clearsessions")
    except CommandError:
        return {"outcome": "not_applicable", "reason": NOT_SUPPORTED}
    return {"outcome": "done", "engine": settings.SESSION_ENGINE, "removed": expired}


def _count_expired() -> int | None:
    """Count what is about to be removed, which the command does not say; ``None`` where only the engine knows."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not issubclass(store, SessionStore):
        return None
    count: int = store.get_model_class().objects.filter(expire_date__lt=timezone.now()).count()
    return count
