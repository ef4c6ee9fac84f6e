"""Queues a maintenance task because a person asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from djust.exceptions import DjustError
from djust.models import MaintenanceRun
from djust.tasks.base import TRIGGER_HEADER, TRIGGERED_BY_HEADER
from djust.tasks.cleanup import cleanup_expired_sessions
from djust.tasks.django_sessions import clear_django_sessions
from djust.tasks.evictions import check_evictions
from djust.tasks.memory import sample_redis_memory
from djust.tasks.reconcile import reconcile

#: A message that no worker took within this time is dropped: whoever asked has gone away by then.
EXPIRES_SECONDS = 300

#: Seconds for one attempt to reach the broker. A person waits.
CONNECT_SECONDS = 3.0

#: Options of a connection that somebody waits for. Celery's own patience is meant for workers: with it, a page would
#: wait for the broker without end.
IMPATIENT = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": CONNECT_SECONDS,
}

TASKS = {
    MaintenanceRun.Task.CLEANUP: cleanup_expired_sessions,
    MaintenanceRun.Task.RECONCILE: reconcile,
    MaintenanceRun.Task.SAMPLE_MEMORY: sample_redis_memory,
    MaintenanceRun.Task.CHECK_EVICTIONS: check_evictions,
    MaintenanceRun.Task.CLEAR_DJANGO_SESSIONS: clear_django_sessions,
}


class BrokerUnavailable(DjustError):
    """The Celery broker cannot be reached or takes no messages. Check that it runs, its memory and the broker URL."""


def queue_task(
    name: str,
    *,
    user: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    queue: str | None = None,
) -> str:
    """Queue a task for a worker and return its id.

    Args:
        name: One of ``MaintenanceRun.Task``.
        user: Who asked, for the history.
        args: Positional arguments of the task.
        kwargs: Named arguments of the task.
        queue: Where to; the task's own queue by default.

    Raises:
        BrokerUnavailable: The message could not be sent within a few seconds.
        KeyError: There is no such task.
    """
    task = TASKS[MaintenanceRun.Task(name)]
    failed = False
    with current_app.connection_for_write(connect_timeout=CONNECT_SECONDS) as connection:
        connection.transport_options = {**(connection.transport_options or {}), **IMPATIENT}
        try:
            result = task.apply_async(
                args,
                kwargs,
                headers={TRIGGER_HEADER: "admin", TRIGGERED_BY_HEADER: user},
                expires=EXPIRES_SECONDS,
                connection=connection,
                retry=False,
                **({"queue": queue} if queue else {}),
            )
        except (OperationalError, OSError):
            failed = True
    if failed:
        raise BrokerUnavailable
    return str(result.id)
