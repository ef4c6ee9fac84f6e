"""The tasks and their history, called in this process; real workers have tests of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Task
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.backends.file import SessionStore as FileSessionStore
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import modify_settings, override_settings
from django.utils import timezone

from djust import tasks
from djust.exceptions import BackendUnavailable
from djust.maintenance import record_run
from djust.models import MaintenanceRun
from djust.reconcile import reconcile
from djust.sessions import LEASE_NAME
from djust.signals import session_expired
from djust.state_backend import RedisStateBackend, get_backend
from djust.tasks.base import origin
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.django_db
ALL = [getattr(tasks, name) for name in tasks.__all__]
CANARY = "canary-pa55word"


@pytest.fixture
def store(redis7: RedisServer, key_prefix: str) -> Iterator[RedisStateBackend]:
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}):
        backend = get_backend()
        assert isinstance(backend, RedisStateBackend)
        yield backend
        backend.delete_all()


def run(task: Task[Any, Any], **kwargs: Any) -> Any:
    """Run a task here, as a worker would."""
    return task.apply(kwargs=kwargs, throw=True).get()


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_the_options_are_those_of_a_maintenance_task(task: Task[Any, Any]) -> None:
    assert task.name.startswith("djust.tasks.")
    assert task.acks_late is False
    assert task.ignore_result is True
    assert 0 < task.soft_time_limit < task.time_limit
    assert task.autoretry_for == (BackendUnavailable,)
    assert task.max_retries == 3


def test_clean_up_is_written_down(store: RedisStateBackend) -> None:
    for number in range(9):
        store.set(f"due{number}", {}, ttl=0.01)
    wait_until(lambda: store.count_due() == 9, what="them to be due")
    report = run(tasks.cleanup_expired_sessions)
    assert (report["outcome"], report["removed"]) == ("done", 9)
    row = MaintenanceRun.objects.get()
    assert (row.task, row.outcome, row.removed, row.trigger) == ("cleanup", "done", 9, "call")
    assert row.task_id
    assert row.duration_ms is not None
    assert row.figures["remaining"] == 0


def test_a_run_beside_another_is_skipped(store: RedisStateBackend) -> None:
    assert store.acquire_lease(LEASE_NAME, "somebody", 30)
    run(tasks.cleanup_expired_sessions)
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.reason) == ("skipped", "Another clean-up is at work.")
    assert row.figures == {"backend": "redis"}


@override_settings(DJUST_CONFIG={"STATE_BACKEND": "memory"})
@pytest.mark.parametrize(
    "task",
    [tasks.cleanup_expired_sessions, tasks.reconcile, tasks.sample_redis_memory, tasks.check_evictions],
    ids=lambda task: task.name,
)
def test_the_memory_backend_of_another_process_is_not_applicable(task: Task[Any, Any]) -> None:
    run(task)
    row = MaintenanceRun.objects.get()
    assert row.outcome == "not_applicable"
    assert row.reason


@override_settings(
    DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": f"redis://:{CANARY}@127.0.0.1:{free_port()}/0"}
)
@pytest.mark.parametrize(
    "task", [tasks.cleanup_expired_sessions, tasks.sample_redis_memory], ids=lambda task: task.name
)
def test_a_store_that_is_away_is_retried_and_said_without_secrets(task: Task[Any, Any]) -> None:
    task.apply(throw=False)
    rows = list(MaintenanceRun.objects.all())
    assert {row.outcome for row in rows} == {"failed"}
    assert [row.reason for row in reversed(rows)] == [
        "Attempt 1 of 4: it is tried again.",
        "Attempt 2 of 4: it is tried again.",
        "Attempt 3 of 4: it is tried again.",
        "Attempt 4 of 4.",
    ]
    assert len({row.task_id for row in rows}) == 1
    assert all("cannot be reached" in row.error and CANARY not in row.error for row in rows)


def test_what_was_done_before_the_store_went_away_is_written_down(redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server()
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": server.url}):
        backend = get_backend()
        for number in range(200):
            backend.set(f"due{number}", {}, ttl=0.01)
        wait_until(lambda: backend.count_due() == 200, what="them to be due")
        heard: list[str] = []

        def kill(key: str, **_: Any) -> None:
            heard.append(key)
            if len(heard) == 60:
                server.kill()

        session_expired.connect(kill)
        try:
            tasks.cleanup_expired_sessions.apply(throw=False, retries=3)
        finally:
            session_expired.disconnect(kill)
    row = MaintenanceRun.objects.get()
    assert row.outcome == "failed"
    assert row.removed == len(heard) == row.figures["removed"]


def test_any_other_error_is_not_retried_and_only_named(store: RedisStateBackend) -> None:
    def fail() -> None:
        with record_run("cleanup", trigger="call"):
            raise KeyError(CANARY)

    with pytest.raises(KeyError):
        fail()
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.error) == ("failed", "KeyError")


def test_reconcile_goes_on_where_the_last_run_stopped(store: RedisStateBackend) -> None:
    for number in range(100):
        store.set(f"key{number}", {})
    stopped = reconcile(budget_seconds=1e-9)
    assert stopped.cursor
    with record_run("reconcile", trigger="call") as earlier:
        earlier.finish(stopped.as_dict())
    report = run(tasks.reconcile)
    assert report["cursor"] is None
    assert 100 <= report["checked"] < 200


def test_expired_django_sessions_are_cleared() -> None:
    for expiry in (-10, 1000):
        session = SessionStore()
        session.set_expiry(expiry)
        session.save()
    run(tasks.clear_django_sessions)
    assert Session.objects.count() == 1
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.removed) == ("done", 1)


class Endless(SessionBase):
    """Sessions of an engine that knows no clear-up."""


class SessionEngine:
    """Stands for a module with such an engine."""

    SessionStore = Endless


def test_sessions_of_other_engines_are_cleared_by_those(tmp_path: Path) -> None:
    with override_settings(SESSION_ENGINE="django.contrib.sessions.backends.file", SESSION_FILE_PATH=str(tmp_path)):
        session = FileSessionStore()
        session.set_expiry(-10)
        session.save()
        assert list(tmp_path.iterdir())
        run(tasks.clear_django_sessions)
    assert not list(tmp_path.iterdir())
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.figures["removed"]) == ("done", None)


def test_where_there_is_nothing_to_clear_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "endless_engine", SessionEngine)
    with override_settings(SESSION_ENGINE="endless_engine"):
        run(tasks.clear_django_sessions)
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.sessions"}):
        run(tasks.clear_django_sessions)
    rows = MaintenanceRun.objects.order_by("pk")
    assert [row.outcome for row in rows] == ["not_applicable", "not_applicable"]
    assert ["engine" in row.reason for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ("call", "")),
        ({"celery_beat_task": True, "periodic_task_name": "mine"}, ("beat", "mine")),
        ({"periodic_task_name": "mine"}, ("admin", "mine")),
        ({"djust_trigger": "admin", "djust_triggered_by": "ada"}, ("admin", "ada")),
    ],
)
def test_who_asked_is_known(headers: dict[str, Any], expected: tuple[str, str]) -> None:
    task = tasks.cleanup_expired_sessions
    task.push_request(id="1", headers=headers)
    try:
        found = origin(task)
    finally:
        task.pop_request()
    assert (found["trigger"], found["triggered_by"], found["task_id"]) == (*expected, "1")


def row(minutes_ago: float, **fields: Any) -> MaintenanceRun:
    started = timezone.now() - timedelta(minutes=minutes_ago)
    return MaintenanceRun.objects.create(**{"task": "cleanup", "trigger": "beat", "started_at": started, **fields})


def test_rows_of_killed_runs_are_closed(store: RedisStateBackend) -> None:
    killed, fresh, other = row(1), row(0), row(1, task="reconcile")
    old = row(100, task="reconcile")
    run(tasks.cleanup_expired_sessions)
    outcomes = {found.pk: found.outcome for found in MaintenanceRun.objects.all()}
    assert outcomes[killed.pk] == "killed"
    assert outcomes[fresh.pk] == "running"
    assert outcomes[other.pk] == "running"
    assert outcomes[old.pk] == "killed"


def test_old_rows_go(store: RedisStateBackend) -> None:
    row(60 * 24 * 31, outcome="done")
    row(60 * 24 * 29, outcome="done")
    run(tasks.cleanup_expired_sessions)
    assert MaintenanceRun.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_does_not_stop_the_work(
    store: RedisStateBackend, caplog: pytest.LogCaptureFixture
) -> None:
    store.set("due", {}, ttl=0.01)
    wait_until(lambda: store.count_due() == 1, what="it to be due")
    with connection.schema_editor() as editor:
        editor.alter_db_table(MaintenanceRun, "djust_maintenancerun", "elsewhere")
    try:
        assert run(tasks.cleanup_expired_sessions)["removed"] == 1
        run(tasks.check_evictions)
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(MaintenanceRun, "elsewhere", "djust_maintenancerun")
    assert "history_unavailable" in caplog.text


class TestMonitoring:
    """What Redis says about itself."""

    def test_a_sample_has_figures(self, store: RedisStateBackend) -> None:
        [server] = run(tasks.sample_redis_memory)["servers"]
        assert server["used_bytes"] > 0
        assert server["policy"] == "noeviction"
        assert server["limit_source"] == "system"
        assert MaintenanceRun.objects.get().figures["servers"] == [server]

    @pytest.mark.parametrize(
        "options", [{"users": ["app on >secret ~* +@all -@dangerous"]}, {"renamed": {"INFO": ""}}]
    )
    def test_what_the_server_does_not_say_is_null_with_the_reason(
        self, redis_server: Callable[..., RedisServer], options: dict[str, Any]
    ) -> None:
        server = redis_server(**options)
        user = "app:secret@" if "users" in options else ""
        url = f"redis://{user}{server.host}:{server.port}/0"
        with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": url}):
            [found] = run(tasks.sample_redis_memory)["servers"]
            assert run(tasks.check_evictions)["servers"][0]["evicted"] is None
        assert found["used_bytes"] is None
        assert found["evicted"] is None
        assert "refused" in found["unavailable"]["used_bytes"]

    def test_evictions_are_counted_from_one_check_to_the_next(
        self, redis_server: Callable[..., RedisServer], caplog: pytest.LogCaptureFixture
    ) -> None:
        server = redis_server(maxmemory="3mb", policy="allkeys-lru")
        with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": server.url}):
            assert self.evicted() is None
            assert self.evicted() == 0
            with server.client() as client:
                for number in range(3_000):
                    client.set(f"filler{number}", b"x" * 1000)
                evicted = client.info("stats")["evicted_keys"]
                found = self.evicted()
                assert found is not None
                assert found >= evicted > 0
                assert "keys_evicted" in caplog.text
                client.config_resetstat()
                # The counter began again, so what it shows is what came since.
                since = self.evicted()
                assert since is not None
                assert since < found
            server.restart()
            assert self.evicted() is None

    @staticmethod
    def evicted() -> int | None:
        """Check, and return how many keys were evicted since the check before."""
        count: int | None = run(tasks.check_evictions)["servers"][0]["evicted"]
        return count
