"""Settings for a worker and a beat that survive a broker restart, with the reason for each.

Copy the dict into your own project: ``CELERY_`` stands before each name where ``namespace="CELERY"`` is used.
"""

from __future__ import annotations

from typing import Any


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Return Celery's settings for this broker, as ``app.conf.update`` takes them."""
    return {
        "broker_url": broker_url,
        # A worker that starts before its broker waits for it ...
        "broker_connection_retry_on_startup": True,
        # ... and one whose broker went away tries for as long as it takes: None means without end.
        "broker_connection_max_retries": None,
        # Seconds for one attempt, so that a "Run now" in the admin fails while somebody is still looking.
        "broker_connection_timeout": 4,
        "broker_transport_options": {
            # Redis hands a message that nobody acknowledged to another worker after this many seconds. It has to be
            # longer than the longest task and its countdown, or a second copy starts while the first one runs.
            "visibility_timeout": 3600,
            # Notice a dead connection, behind a firewall that forgets idle ones too.
            "socket_keepalive": True,
            "health_check_interval": 15,
            "socket_connect_timeout": 4,
        },
        # A message is acknowledged when its task starts. A killed clean-up is not repeated: the next one on the
        # schedule does what it left.
        "task_acks_late": False,
        # For tasks of yours that acknowledge late: when the connection is lost their message goes back to the queue,
        # so the copy that runs must end, or it runs twice.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # Nobody waits for a result: what a run did stands in MaintenanceRun and in the log.
        "task_ignore_result": True,
        # What publishing tries before it gives up: about a second, then the caller hears of it.
        "task_publish_retry_policy": {
            "max_retries": 3,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        # One message at a time: a slow task does not sit on messages that another worker could take.
        "worker_prefetch_multiplier": 1,
        # The schedule lives in the database, where the admin edits it. A `beat_schedule` here would overwrite those
        # edits at every start of beat.
        "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler",
        # Seconds after which beat looks for edits at the latest.
        "beat_max_loop_interval": 5,
        # Logging is the project's, see `config.celery`.
        "worker_hijack_root_logger": False,
        "timezone": "UTC",
    }
