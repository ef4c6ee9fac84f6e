"""What the tasks share: their Celery options, and who triggered them."""

from __future__ import annotations

from typing import Any

from celery import Task

from djust.exceptions import BackendUnavailable
from djust.maintenance import (
    LONG_SOFT_TIME_LIMIT_SECONDS,
    LONG_TIME_LIMIT_SECONDS,
    SOFT_TIME_LIMIT_SECONDS,
    TIME_LIMIT_SECONDS,
)

#: Headers that "Run now" puts into its message.
TRIGGER_HEADER = "djust_trigger"
TRIGGERED_BY_HEADER = "djust_triggered_by"

#: Retried only when the store cannot be reached, and for less than a minute, when the next run is due anyway. A
#: message is acknowledged early: what a killed run left is done by the next, and a second copy would find the lease.
OPTIONS: dict[str, Any] = {
    "bind": True,
    "acks_late": False,
    "ignore_result": True,
    "autoretry_for": (BackendUnavailable,),
    # An outage is said once by the store, so the worker need not add a traceback for every try.
    "throws": (BackendUnavailable,),
    "max_retries": 3,
    "retry_backoff": 2,
    "retry_backoff_max": 20,
    "retry_jitter": True,
    "soft_time_limit": SOFT_TIME_LIMIT_SECONDS,
    "time_limit": TIME_LIMIT_SECONDS,
}

#: For the daily tasks, which may take longer.
LONG_OPTIONS: dict[str, Any] = {
    **OPTIONS,
    "soft_time_limit": LONG_SOFT_TIME_LIMIT_SECONDS,
    "time_limit": LONG_TIME_LIMIT_SECONDS,
}


def origin(task: Task[Any, Any]) -> dict[str, Any]:
    """Return what ``record_run`` wants to know of the message that a task works on.

    Beat marks what it sends, and so does "Run now". Beat's own admin action "Run selected tasks" only names the
    schedule.
    """
    attempts = 1 if task.request.called_directly else 1 + (task.max_retries or 0)
    return {**_who_asked(task), "attempt": 1 + task.request.retries, "attempts": attempts}


def _who_asked(task: Task[Any, Any]) -> dict[str, str]:
    request = task.request
    headers = {**(request.headers or {}), **vars(request)}
    schedule = str(headers.get("periodic_task_name") or "")
    task_id = str(request.id or "")
    if headers.get(TRIGGER_HEADER):
        by = str(headers.get(TRIGGERED_BY_HEADER) or "")
        return {"trigger": str(headers[TRIGGER_HEADER]), "triggered_by": by, "task_id": task_id}
    if headers.get("celery_beat_task"):
        return {"trigger": "beat", "triggered_by": schedule, "task_id": task_id}
    if schedule:
        return {"trigger": "admin", "triggered_by": schedule, "task_id": task_id}
    return {"trigger": "call", "triggered_by": "", "task_id": task_id}
