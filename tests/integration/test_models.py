"""What the tables hold, whichever database keeps them."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from djust import tasks
from djust.maintenance import record_run
from djust.models import MaintenanceRun, SeededSchedule
from djust.tasks.queue import TASKS
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_work(redis7: RedisServer, key_prefix: str, settings: Any) -> MaintenanceRun:
    """A clean-up that has worked for longer than a lease lasts unless it is renewed."""
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    started_at = timezone.now() - timedelta(seconds=30)
    return MaintenanceRun.objects.create(task="cleanup", trigger="beat", started_at=started_at)


def outcome_of(row: MaintenanceRun) -> str:
    row.refresh_from_db()
    return row.outcome


def test_the_migrations_make_what_the_models_say() -> None:
    call_command("makemigrations", "djust", check=True, dry_run=True, verbosity=0)


def test_every_task_of_the_history_can_be_queued() -> None:
    assert set(TASKS) == set(MaintenanceRun.Task)
    assert {task.name for task in TASKS.values()} == {getattr(tasks, name).name for name in tasks.__all__}


def test_a_schedule_is_remembered_once() -> None:
    SeededSchedule.objects.create(name="once")
    with pytest.raises(IntegrityError), transaction.atomic():
        SeededSchedule.objects.create(name="once")


def test_names_that_are_too_long_do_not_cost_the_row(caplog: pytest.LogCaptureFixture) -> None:
    with record_run("cleanup", trigger="call", triggered_by="u" * 500, task_id="i" * 255):
        pass
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.triggered_by, row.task_id) == ("done", "u" * 200, "i" * 64)
    assert "history_unavailable" not in caplog.text


@pytest.mark.parametrize("arguments", [["--ttl=0"], ["--all", "--yes"]], ids=["nothing", "all"])
def test_what_needs_no_lease_says_nothing_of_who_has_it(at_work: MaintenanceRun, arguments: list[str]) -> None:
    call_command("cleanup_sessions", *arguments, stdout=StringIO())
    assert outcome_of(at_work) == "running"


def test_a_sweep_shows_that_an_earlier_one_was_killed(at_work: MaintenanceRun) -> None:
    call_command("cleanup_sessions", stdout=StringIO())
    assert outcome_of(at_work) == "killed"


def test_the_newest_run_comes_first() -> None:
    now = timezone.now()
    for minutes in (2, 0, 1):
        MaintenanceRun.objects.create(task="cleanup", trigger="call", started_at=now - timedelta(minutes=minutes))
    found = list(MaintenanceRun.objects.values_list("started_at", flat=True))
    assert found == sorted(found, reverse=True)
