"""The verdict on the store, whatever part of it is away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from djust.maintenance import record_run
from djust.models import Alert, MaintenanceRun, MemorySample, SessionLoss
from djust.monitoring.status.heartbeat import WATCHED
from djust.monitoring.status.summary import Summary, judge, read_records, read_store, summarise, unanswered
from djust.state_backend import get_backend
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(redis7: RedisServer, key_prefix: str) -> Iterator[None]:
    config = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    with override_settings(DJUST_CONFIG=config):
        yield
        get_backend().delete_all()


@pytest.fixture
def running() -> None:
    """Let everything have run a moment ago."""
    for task in WATCHED:
        with record_run(task, trigger="beat"):
            pass


def alert(**fields: Any) -> Alert:
    now = timezone.now()
    return Alert.objects.create(
        **{
            "rule": "memory_high",
            "node": "a:1",
            "severity": "warning",
            "state": "firing",
            "pending_since": now,
            "fired_at": now,
            "summary": "Memory is nearly full.",
            **fields,
        }
    )


@pytest.mark.usefixtures("running")
def test_all_is_well() -> None:
    get_backend().set("live", {})
    MemorySample.objects.create(node="a:1", sampled_at=timezone.now(), used_bytes=40, limit_bytes=100)
    found = summarise()
    assert (found.verdict, found.reasons) == ("well", ())
    assert found.headline == "All is well: 1 live session, memory 40 % used."
    assert found.heartbeat.status == "ok"
    assert found.last_cleanup is not None


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("fields", "verdict", "reason"),
    [
        ({}, "attention", "Memory is nearly full."),
        ({"severity": "critical"}, "trouble", "Memory is nearly full."),
        ({"severity": "critical", "state": "acknowledged"}, "attention", "Memory is nearly full. (acknowledged)"),
        ({"severity": "critical", "state": "silenced"}, "attention", "Memory is nearly full. (silenced)"),
        ({"summary": ""}, "attention", "memory_high"),
        ({"state": "pending"}, "well", None),
        ({"state": "resolved"}, "well", None),
    ],
)
def test_alerts_decide(fields: dict[str, str], verdict: str, reason: str | None) -> None:
    alert(**fields)
    found = summarise()
    assert found.verdict == verdict
    assert found.reasons == (() if reason is None else (reason,))
    assert len(found.alerts) == len(found.reasons)


@pytest.mark.usefixtures("running")
def test_the_worst_comes_first() -> None:
    alert(rule="first", summary="A warning.")
    alert(rule="second", severity="critical", state="silenced", summary="Silenced.")
    alert(rule="third", severity="critical", summary="Critical.")
    found = summarise()
    assert [one.rule for one in found.alerts] == ["third", "first", "second"]
    assert found.headline == "Critical."
    assert found.reasons == ("Critical.", "A warning.", "Silenced. (silenced)")


def test_new_trouble_comes_before_what_somebody_knows() -> None:
    alert(rule="first", severity="critical", state="acknowledged", summary="Known.")
    alert(rule="second", summary="A warning.")
    PeriodicTask.objects.update(date_changed=timezone.now() - timedelta(days=1))
    found = summarise()
    assert found.verdict == "trouble"
    assert found.reasons == (found.heartbeat.detail, "A warning.", "Known. (acknowledged)")
    assert [one.rule for one in found.alerts] == ["second", "first"]


@pytest.mark.usefixtures("running")
def test_a_schedule_that_is_off_needs_attention() -> None:
    PeriodicTask.objects.filter(task=WATCHED[MaintenanceRun.Task.CHECK_EVICTIONS]).update(enabled=False)
    found = summarise()
    assert (found.verdict, found.heartbeat.status) == ("attention", "ok")
    assert found.headline.startswith("The check for evictions is switched off: nobody looks for lost sessions")
    PeriodicTask.objects.filter(task=WATCHED[MaintenanceRun.Task.CLEANUP]).update(enabled=False)
    records = read_records()
    overdue = replace(read_store(), overdue=2)
    cleanup, check = judge(records, overdue, timezone.now()).reasons
    assert (
        cleanup
        == "Clean-up is switched off: expired sessions are neither reported nor removed. 2 expired sessions wait."
    )
    assert check == found.headline
    PeriodicTask.objects.update(enabled=False)
    [reason] = judge(read_records(), overdue, timezone.now()).reasons
    assert reason.startswith("No schedule is enabled")
    assert reason.endswith("2 expired sessions wait.")


def test_the_first_minutes_are_neither_good_nor_bad() -> None:
    found = summarise()
    assert (found.verdict, found.reasons) == ("starting", (found.heartbeat.detail,))
    alert()
    assert summarise().verdict == "attention"


@pytest.mark.usefixtures("running")
def test_lost_sessions_of_the_last_day_are_told_by_cause() -> None:
    now = timezone.now()
    for cause, sessions, ago in (("evicted", 1200, 1), ("evicted", 34, 2), ("flushed", 6, 3), ("unknown", 9, 25)):
        SessionLoss.objects.create(found_at=now - timedelta(hours=ago), cause=cause, sessions=sessions)
    found = summarise()
    assert found.verdict == "attention"
    assert dict(found.losses) == {"evicted": 1234, "flushed": 6}
    assert found.headline == "1,240 live sessions lost in the last 24 hours (1,234 evicted, 6 flushed)."


def test_maintenance_that_stopped_is_trouble_and_one_late_task_is_not() -> None:
    PeriodicTask.objects.update(date_changed=timezone.now() - timedelta(days=1))
    found = summarise()
    assert (found.verdict, found.reasons) == ("trouble", (found.heartbeat.detail,))
    with record_run("check_evictions", trigger="beat"):
        pass
    assert summarise().verdict == "attention"


def test_the_last_sample_of_each_server_and_what_was_evicted() -> None:
    now = timezone.now()
    for node, ago, evicted in (
        ("b:2", 60, 3),
        ("a:1", 0, None),
        ("b:2", 0, 4),
        ("gone:3", 3600, 5),
        ("b:2", 90_000, 9),
    ):
        MemorySample.objects.create(node=node, sampled_at=now - timedelta(seconds=ago), evicted=evicted)
    found = summarise()
    assert [(sample.node, sample.evicted) for sample in found.samples] == [("a:1", None), ("b:2", 4)]
    assert found.records.evicted == 12


def test_nothing_counted_is_not_zero() -> None:
    MemorySample.objects.create(node="a:1", sampled_at=timezone.now())
    assert summarise().records.evicted is None


def test_a_skipped_clean_up_is_not_the_last_that_did_anything() -> None:
    for outcome in ("done", "skipped", "not_applicable"):
        with record_run("cleanup", trigger="beat") as run:
            run.outcome = outcome
    last = summarise().last_cleanup
    assert last is not None
    assert last.outcome == "done"


@pytest.mark.usefixtures("running")
def test_a_store_that_is_away_is_trouble_and_the_rest_is_known(redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server()
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": server.url}):
        server.kill()
        found = summarise()
        get_backend().close()
    assert found.verdict == "trouble"
    assert f"{server.host}:{server.port}" in found.headline
    assert (found.store.up, found.store.sessions) == (False, None)
    assert found.heartbeat.status == "ok"


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("config", [{"STATE_BACKEND": "rediss"}, {"SESSION_TTL": "soon"}])
def test_settings_that_cannot_be_used(config: dict[str, str]) -> None:
    with override_settings(DJUST_CONFIG=config):
        found = summarise()
    assert found.reasons == ("The store does not answer: DJUST_CONFIG cannot be used. Run manage.py check.",)


@pytest.mark.usefixtures("running")
def test_sessions_in_the_memory_of_another_process_are_no_trouble() -> None:
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "memory"}):
        found = summarise()
        assert (found.verdict, found.headline, found.store.sessions) == ("well", "All is well.", None)
        get_backend().set("here", {})
        assert summarise().store.sessions == 1
        # It cleans up by itself.
        PeriodicTask.objects.update(enabled=False)
        assert summarise().verdict == "well"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Alert, MemorySample, SessionLoss, MaintenanceRun])
def test_a_table_that_is_not_there_is_unknown_and_the_store_is_known(model: Any) -> None:
    table = model._meta.db_table
    for task in WATCHED:
        with record_run(task, trigger="beat"):
            pass
    with connection.schema_editor() as editor:
        editor.alter_db_table(model, table, "elsewhere")
    try:
        with transaction.atomic():
            found = summarise()
            assert PeriodicTask.objects.exists()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(model, "elsewhere", table)
    assert found.verdict == "unknown"
    assert found.store.sessions == 0
    assert found.records.error
    assert found.as_dict()["lost_24h"] is None


def test_a_database_that_did_not_answer_in_time_is_unknown() -> None:
    found = judge(unanswered(), read_store(), timezone.now())
    assert (found.verdict, len(found.reasons)) == ("unknown", 1)
    assert "does not answer in time" in found.headline


def test_it_becomes_json() -> None:
    alert()
    MemorySample.objects.create(node="a:1", sampled_at=timezone.now(), unavailable={"used_bytes": "no"})
    with record_run("cleanup", trigger="beat") as run:
        run.finish({"removed": 3})
    found: Summary = summarise()
    data = json.loads(json.dumps(found.as_dict()))
    assert data["alerts"][0]["rule"] == "memory_high"
    assert data["servers"][0]["used_bytes"] is None
    assert data["servers"][0]["unavailable"] == {"used_bytes": "no"}
    assert data["last_cleanup"]["removed"] == 3
    assert data["store"]["backend"] == "redis"
