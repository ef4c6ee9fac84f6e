"""Whether something cleans up: the broker, beat, and where the tasks go."""

from __future__ import annotations

from typing import Any

from celery import current_app
from celery.utils.imports import load_extension_class_names
from django.apps import apps
from django.core.checks import CheckMessage, Info, register
from django.core.checks import Warning as CheckWarning
from kombu.utils.imports import symbol_by_name

from djust.checks.config import usable_config
from djust.conf import Config
from djust.schedule import BEAT_APP, SEEDS, queue_of
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.address import is_loopback, parse_address

_TASKS = frozenset(seed.task for seed in SEEDS)
_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"


def _config() -> Config | None:
    """Return the settings of a store that needs a worker; a process-local one looks after itself."""
    usable = usable_config()
    return None if usable is None or usable[1].process_local else usable[0]


@register("djust", deploy=True)
def check_broker(**_: Any) -> list[CheckMessage]:
    """Warn of a broker that no worker can share, or that shares the server of the sessions."""
    config = _config()
    if config is None:
        return []
    if not _broker_is_set():
        return [
            CheckWarning(
                "Celery has no broker here: no worker gets the clean-ups, and 'Run now' in the admin fails.",
                hint="Set CELERY_BROKER_URL, and import the Celery app in the project's __init__.py, as README.md "
                "has it. If cron runs manage.py cleanup_sessions instead, silence this.",
                id="djust.W007",
            )
        ]
    try:
        connection = current_app.connection_for_write()
    except (ImportError, KeyError):
        return [
            CheckWarning(
                "The broker URL names a transport that is unknown or not installed.",
                hint="Let CELERY_BROKER_URL begin with redis:// or amqp://, or install what its transport needs.",
                id="djust.W007",
            )
        ]
    if connection.transport_cls == "memory":
        return [
            CheckWarning(
                "The Celery broker memory:// reaches no other process: no worker gets the clean-ups.",
                hint="Set CELERY_BROKER_URL to a server.",
                id="djust.W007",
            )
        ]
    place = _redis_place(connection)
    if place is not None and place == _store_place(config):
        return [
            CheckWarning(
                "The Celery broker and the sessions are on the same server. Another database number does not help: "
                "maxmemory and the eviction policy hold for the whole server, and allkeys-* drops queues too.",
                hint="Give the broker a server of its own, and set CELERY_BROKER_URL to it.",
                id="djust.W008",
            )
        ]
    return []


def _broker_is_set() -> bool:
    conf = current_app.conf
    return bool(conf.broker_write_url or conf.broker_transport or conf.broker_host)


def _redis_place(connection: Any) -> tuple[str, int] | None:
    """Return host and port of a broker that is one Redis server."""
    if connection.transport_cls not in ("redis", "rediss") or len(connection.alt) > 1:
        return None
    host = connection.hostname or "localhost"
    if "://" in host:  # A socket.
        return None
    return _same_spelling(host, int(connection.port or 6379))


def _store_place(config: Config) -> tuple[str, int] | None:
    usable = usable_config()
    if usable is None or not issubclass(usable[1], RedisStateBackend):
        return None
    address = parse_address(config.redis_url)
    return None if address.host is None or address.port is None else _same_spelling(address.host, address.port)


def _same_spelling(host: str, port: int) -> tuple[str, int]:
    return ("localhost" if is_loopback(host) else host.lower(), port)


@register("djust", deploy=True)
def check_beat_app(**_: Any) -> list[CheckMessage]:
    """Warn where there is no schedule in the database."""
    if _config() is None or apps.is_installed(BEAT_APP):
        return []
    return [
        CheckWarning(
            "django_celery_beat is not installed, so there is no schedule for the clean-ups.",
            hint="Add 'django_celery_beat' to INSTALLED_APPS and run manage.py migrate. If cron runs manage.py "
            "cleanup_sessions instead, silence this.",
            id="djust.W009",
        )
    ]


@register("djust", deploy=True)
def check_beat_scheduler(**_: Any) -> list[CheckMessage]:
    """Warn where beat would not read the schedule in the database."""
    if _config() is None or not apps.is_installed(BEAT_APP) or not _broker_is_set():
        return []
    scheduler = current_app.conf.beat_scheduler
    try:
        names: Any = load_extension_class_names("celery.beat_schedulers")
        reads_database = issubclass(symbol_by_name(scheduler, aliases=dict(names)), symbol_by_name(_SCHEDULER))
    except (ImportError, AttributeError):
        reads_database = False
    if reads_database:
        return []
    return [
        CheckWarning(
            f"Celery's beat_scheduler is {scheduler}, which does not read the schedule in the database: a beat that "
            "is started without --scheduler never asks for a clean-up.",
            hint=f"Set CELERY_BEAT_SCHEDULER = '{_SCHEDULER}'.",
            id="djust.W010",
        )
    ]


@register("djust", deploy=True)
def check_beat_schedule(**_: Any) -> list[CheckMessage]:
    """Warn of settings that overwrite what an admin edits."""
    if _config() is None or not apps.is_installed(BEAT_APP):
        return []
    seeded = {seed.name for seed in SEEDS}
    entries = current_app.conf.beat_schedule or {}
    ours = sorted(name for name, entry in entries.items() if name in seeded or _task_of(entry) in _TASKS)
    if not ours:
        return []
    return [
        CheckWarning(
            f"beat_schedule in the settings holds tasks of djust ({', '.join(ours)}): beat overwrites the admin's "
            "edits of them at every start, and tasks run twice where the database has a row as well.",
            hint="Take them out of CELERY_BEAT_SCHEDULE. The schedule is edited in the admin, see docs/schedule.md.",
            id="djust.W011",
        )
    ]


def _task_of(entry: Any) -> str:
    return str(entry.get("task") if isinstance(entry, dict) else getattr(entry, "task", ""))


@register("djust", deploy=True)
def check_queue(**_: Any) -> list[CheckMessage]:
    """Remind of a queue of its own, which a worker has to be told of."""
    if _config() is None or not _broker_is_set():
        return []
    usual = current_app.conf.task_default_queue
    names = ",".join(sorted({queue for task in _TASKS if (queue := queue_of(task)) is not None} - {usual}))
    if not names:
        return []
    return [
        Info(
            f"Tasks of djust are routed to a queue of their own ({names}). Without a worker that consumes it they "
            "wait for ever, and nobody is told.",
            hint=f"Start a worker with -Q {names}, and see with manage.py djust_doctor that it consumes them.",
            id="djust.I001",
        )
    ]
