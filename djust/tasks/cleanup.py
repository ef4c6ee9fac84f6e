"""``djust.tasks.cleanup_expired_sessions``."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from djust.conf import get_config
from djust.maintenance import SOFT_TIME_LIMIT_SECONDS, record_run
from djust.models import MaintenanceRun
from djust.monitoring.losses import recorded_losses
from djust.sessions import clean_up
from djust.state_backend import get_backend
from djust.tasks.base import OPTIONS, origin

#: Seconds kept free before the soft time limit, to write down what was done.
MARGIN_SECONDS = 5.0


@shared_task(name="djust.tasks.cleanup_expired_sessions", **OPTIONS)
def cleanup_expired_sessions(self: Task[Any, Any], ttl: float | None = None) -> dict[str, Any]:
    """Remove and report the sessions whose time ran out.

    Args:
        self: The task.
        ttl: Also those idle for longer than this many seconds. Leave it out: sessions know their own time to live.
    """
    asked = origin(self)
    budget = min(get_config().cleanup_budget_seconds, SOFT_TIME_LIMIT_SECONDS - MARGIN_SECONDS)
    backend, trigger = get_backend(), asked["trigger"]
    with (
        record_run(MaintenanceRun.Task.CLEANUP, **asked) as run,
        recorded_losses(backend, trigger=trigger) as tally,
    ):
        return run.finish(clean_up(backend, ttl=ttl, trigger=trigger, budget_seconds=budget, tally=tally).as_dict())
