"""Settings of the workers that are disturbed at work: everything that differs comes from the environment."""

from __future__ import annotations

import os

from djust.log import logging_config
from tests.settings import *  # noqa: F403

DJUST_CONFIG = {
    "STATE_BACKEND": "redis",
    "REDIS_URL": os.environ["REDIS_URL"],
    "CLEANUP_LEASE_SECONDS": float(os.environ.get("CLEANUP_LEASE_SECONDS", "1")),
    "CLEANUP_BUDGET_SECONDS": float(os.environ.get("CLEANUP_BUDGET_SECONDS", "20")),
}
CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
LOGGING = logging_config(json=True)
