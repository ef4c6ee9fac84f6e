"""The application of the worker that is killed. It writes each report into a list in Redis."""

from __future__ import annotations

import os
from typing import Any

import redis
from celery import Celery

from djust.celery_logging import configure_celery_logging
from djust.signals import session_expired

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.acceptance.worker_settings")

app = Celery("worker_app")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
configure_celery_logging()

REPORTS = "reports"
_client = redis.Redis.from_url(os.environ["REDIS_URL"])


def write_down(key: str, **_: Any) -> None:
    """Remember a report where no kill can reach it."""
    _client.rpush(REPORTS, key)


session_expired.connect(write_down)
