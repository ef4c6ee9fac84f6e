"""Monitoring in a project that turned ``USE_TZ`` off, so that Django's moments have no time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from djust.management.stats import describe
from djust.models import AlertMessage, MaintenanceRun, MemorySample, MonitorState, SessionLoss
from djust.monitoring.alerting import alerts
from djust.monitoring.check import check_evictions
from djust.monitoring.reading import LossReading
from djust.monitoring.retention import thin
from djust.monitoring.sampling import sample_memory
from djust.monitoring.status.heartbeat import heartbeat
from djust.monitoring.status.metrics import points, read_database
from djust.monitoring.status.summary import judge, read_store
from djust.state_backend import RedisStateBackend, get_backend
from tests.servers.redis_server import RedisServer
from tests.unit.monitoring_support import reading, server

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _naive(settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    settings.ADMINS = ["ann@example.org"]


def test_samples_are_taken_and_thinned(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    now = timezone.now()
    for minutes in range(30):
        MemorySample.objects.create(node="old", sampled_at=now - timedelta(days=3, minutes=minutes), used_bytes=1)
    assert sample_memory(backend)["outcome"] == "done"
    assert MemorySample.objects.filter(node="old").count() in (2, 3)
    backend.set("a", {"x": 1})
    assert [check_evictions(backend)["lost"] for _ in range(2)] == [0, 0]
    backend.delete_all()
    backend.close()


@pytest.mark.parametrize("before", [True, False])
def test_thinning_goes_on_when_the_setting_is_changed(settings: Any, before: bool) -> None:
    settings.USE_TZ = before
    now = timezone.now()
    MemorySample.objects.create(node="old", sampled_at=now - timedelta(days=3), used_bytes=1)
    thin(now)
    settings.USE_TZ = not before
    after = timezone.now()
    for minutes in range(3):
        moment = after - timedelta(days=2, hours=-1, minutes=minutes)
        MemorySample.objects.create(node="new", sampled_at=moment, used_bytes=1)
    later = after + timedelta(hours=2)
    assert thin(later) in (1, 2)
    assert MonitorState.objects.count() == 1


def test_alerts_fire_and_end() -> None:
    now = timezone.now()

    def check(minute: int, *losses: LossReading) -> alerts.AlertReport:
        at = now + timedelta(minutes=minute)
        times = {"last_sample_at": at, "last_cleanup_at": at}
        return alerts.evaluate(reading(server(sampled_at=at), now=at, losses=losses, **times))

    (alert,) = check(0, LossReading(node="10.0.0.5:6379", cause="flushed", sessions=3)).fired
    assert alerts.silence(alert, timezone.now() + timedelta(hours=1), by="ann")
    assert alerts.unsilence(alert, by="ann")
    assert [len(check(minute).resolved) for minute in (5, 10, 16)] == [0, 0, 1]
    fired, resolved = AlertMessage.objects.order_by("pk")
    assert f"Since:     {now:%Y-%m-%d %H:%M:%S}\n" in fired.body
    assert "It is over after 16 min." in resolved.body


@pytest.mark.parametrize("kind", ["interval", "crontab"])
def test_the_status_and_the_overview_are_shown(kind: str, admin_client: Client) -> None:
    now = timezone.now()
    if kind == "crontab":
        always = CrontabSchedule.objects.create(minute="*", timezone="America/New_York")
        PeriodicTask.objects.filter(task__startswith="djust.").update(interval=None, crontab=always)
    for minutes in range(3):
        at = now - timedelta(minutes=minutes)
        server(sampled_at=at).samples[0].save()
        SessionLoss.objects.create(found_at=at, node="a", cause="evicted", sessions=2)
    for task in ("cleanup", "sample_memory", "check_evictions"):
        MaintenanceRun.objects.create(task=task, trigger="beat", started_at=now, outcome="done", duration_ms=5)
    beats = heartbeat(now)
    assert (beats.status, {beat.every_seconds for beat in beats.beats}) == ("ok", {60.0})
    assert heartbeat(now + timedelta(hours=1)).status == "late"
    database = read_database()
    summary = judge(database.records, read_store(), now)
    assert any(f"{now:%Y-%m-%d %H:%M:%S}" in line for line in describe(summary, paint=Plain(), width=80))
    shown = {point.name: point.value for point in points(database, summary.store)}
    assert shown["djust_server_sampled_timestamp_seconds"] == now.timestamp() == _utc(now)
    for span in ("1h", "24h", "1y"):
        page = admin_client.get("/admin/djust/overview/", {"range": span})
        assert page.status_code == 200
    assert "6 live sessions lost in the last 24 hours" in page.content.decode()


def test_live_sessions_are_shown(admin_client: Client) -> None:
    backend = get_backend()
    # The memory of the process may hold what other tests left.
    backend.delete_all()
    backend.set("a", {"x": 1})
    page = admin_client.get("/admin/djust/livesession/")
    (row,) = page.context["rows"]
    assert row["age"] == "0 s"
    assert admin_client.get(row["url"]).status_code == 200
    backend.delete_all()


class Plain(dict[str, Callable[[str], str]]):
    """No colours."""

    def __missing__(self, _verdict: str) -> Callable[[str], str]:
        return str


def _utc(moment: Any) -> float:
    return float(timezone.make_aware(moment).astimezone(UTC).timestamp())
