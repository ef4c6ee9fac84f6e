"""The application of the workers that are disturbed at work. It writes each report into a list in Redis."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import redis
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from djust.celery_logging import configure_celery_logging
from djust.signals import session_expired

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.acceptance.worker_settings")

app = Celery("worker_app")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
configure_celery_logging()

REPORTS = "reports"
_client = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)


def write_down(key: str, **_: Any) -> None:
    """Remember a report where no kill can reach it. Some wait for what never comes, and some will not be told."""
    _client.rpush(REPORTS, key)
    if key.startswith("slow"):
        _client.blpop("never", timeout=0)
    while key.startswith("stuck"):
        with suppress(SoftTimeLimitExceeded):
            _client.blpop("never", timeout=0)


session_expired.connect(write_down)
