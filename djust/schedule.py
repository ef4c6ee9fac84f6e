"""The default schedule: rows of django-celery-beat that exist after ``migrate`` and then belong to the admin.

``beat_schedule`` in the settings would overwrite edits at every start of beat. A data migration would need
django-celery-beat's tables to exist. So the rows are made after ``migrate``, once each: ``SeededSchedule`` remembers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from celery import current_app
from celery.exceptions import QueueNotFound
from django.apps import AppConfig, apps
from django.db import connections, models, router, transaction

BEAT_APP = "django_celery_beat"


@dataclass(frozen=True, slots=True)
class Seed:
    """A row to make once."""

    name: str
    task: str
    every_seconds: int
    #: A message that no worker took within this time is dropped; the next one is on its way.
    expire_seconds: int
    enabled: bool
    description: str


SEEDS = (
    Seed(
        "djust: clean up expired sessions",
        "djust.tasks.cleanup_expired_sessions",
        60,
        50,
        enabled=True,
        description="Removes and reports the sessions whose time ran out, the longest overdue first.",
    ),
    Seed(
        "djust: sample Redis memory",
        "djust.tasks.sample_redis_memory",
        60,
        50,
        enabled=True,
        description="Records what each server says about its memory, and measures some sessions.",
    ),
    Seed(
        "djust: check evictions",
        "djust.tasks.check_evictions",
        60,
        50,
        enabled=True,
        description="Looks for evictions and lost sessions, raises and resolves alerts, and sends their messages.",
    ),
    Seed(
        "djust: reconcile",
        "djust.tasks.reconcile",
        86_400,
        3_600,
        enabled=False,
        description="Compares the index of sessions with the data. Repairs nothing unless its arguments name it, "
        'for example {"repair": ["index_without_data"]}.',
    ),
    Seed(
        "djust: clear Django sessions",
        "djust.tasks.clear_django_sessions",
        86_400,
        3_600,
        enabled=False,
        description="Runs Django's own clearsessions, so that no cron line is needed for it.",
    ),
)


def queue_of(task: str) -> str | None:
    """Return the queue that messages of a task go to.

    Args:
        task: The name of the task, as messages carry it.

    Returns:
        ``None`` where an exchange decides, or where no such queue is declared.
    """
    try:
        queue = current_app.amqp.router.route({}, task).get("queue")
    except QueueNotFound:
        return None
    return None if queue is None else str(getattr(queue, "name", queue))


def seed_after_migrate(*, app_config: AppConfig, using: str, **_: Any) -> None:
    """Make the default rows that were never made before, once the tables of both apps exist.

    ``post_migrate`` is sent for every app, and on ``migrate djust`` before django-celery-beat has its tables, so both
    apps' signals are heard and the rows are made at the first that finds everything there. Rows go where beat reads
    them, whichever databases the project has and whichever is migrated first.
    """
    if app_config.label not in ("djust", BEAT_APP) or not apps.is_installed(BEAT_APP):
        return
    periodic_task = apps.get_model(BEAT_APP, "PeriodicTask")
    seeded = apps.get_model("djust", "SeededSchedule")
    beat_database, database = router.db_for_write(periodic_task), router.db_for_write(seeded)
    if using not in (beat_database, database):
        return
    needed = [seeded, *apps.get_app_config(BEAT_APP).get_models()]
    if not all(_is_migrated(model) for model in needed):
        return
    with transaction.atomic(using=database), transaction.atomic(using=beat_database):
        for seed in SEEDS:
            if (
                seeded.objects.using(database).get_or_create(name=seed.name)[1]
                and not periodic_task.objects.using(beat_database).filter(name=seed.name).exists()
            ):
                _make(seed, beat_database)


def _is_migrated(model: type[models.Model]) -> bool:
    """Whether the table of a model exists and has all its columns: an older one gets them by a later migration."""
    connection = connections[router.db_for_write(model)]
    with connection.cursor() as cursor:
        if model._meta.db_table not in connection.introspection.table_names(cursor):  # noqa: SLF001 - Django's API
            return False
        found = connection.introspection.get_table_description(cursor, model._meta.db_table)  # noqa: SLF001
    return {field.column for field in model._meta.local_fields} <= {column.name for column in found}  # noqa: SLF001


def _make(seed: Seed, using: str) -> None:
    # Nothing keeps two equal intervals from existing, so get_or_create might find several.
    intervals = apps.get_model(BEAT_APP, "IntervalSchedule").objects.using(using)
    interval = intervals.filter(every=seed.every_seconds, period="seconds").first()
    if interval is None:
        interval = intervals.create(every=seed.every_seconds, period="seconds")
    apps.get_model(BEAT_APP, "PeriodicTask").objects.using(using).create(
        name=seed.name,
        task=seed.task,
        interval=interval,
        expire_seconds=seed.expire_seconds,
        enabled=seed.enabled,
        description=seed.description,
        kwargs=json.dumps({}),
    )
