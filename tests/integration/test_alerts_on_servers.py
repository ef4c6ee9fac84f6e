"""Alerts on real servers that run short of memory, go away, or are emptied."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, current_app
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from djust.exceptions import BackendFull, BackendUnavailable
from djust.models import Alert, AlertMessage, MaintenanceRun, MemorySample
from djust.monitoring.broker import read_broker
from djust.monitoring.check import check_evictions
from djust.monitoring.reading import BrokerReading
from djust.monitoring.sampling import sample_memory
from djust.state_backend import RedisStateBackend
from tests.servers.ports import HOST, free_port
from tests.servers.redis_server import RedisServer

Servers = Callable[..., RedisServer]

pytestmark = pytest.mark.django_db(transaction=True)

#: Without the waiting that the rules ask for, which has tests of its own.
AT_ONCE: dict[str, Any] = {
    "memory_high": {"for_seconds": 0, "clear_seconds": 0},
    "evictions": {"clear_seconds": 0},
    "sessions_lost": {"clear_seconds": 0},
    "store_unreachable": {"for_seconds": 0, "clear_seconds": 0},
    "cleanup_stopped": {"enabled": False},
    "sampling_stopped": {"enabled": False},
}


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Judge without delay."""
    with override_settings(DJUST_CONFIG={"ALERT_RULES": AT_ONCE}, ADMINS=[("Ann", "ann@a.example")]):
        yield


@pytest.fixture
def broker() -> Iterator[Celery]:
    """The Celery application, whose broker the test chooses."""
    app = current_app._get_current_object()
    before = app.conf.broker_url, app.conf.broker_use_ssl
    yield app
    app.conf.broker_url, app.conf.broker_use_ssl = before


async def fill(backend: RedisStateBackend, count: int) -> int:
    """Save sessions and return how many were refused."""
    refused = 0
    for start in range(0, count, 50):
        results = await asyncio.gather(
            *(
                backend.aset(f"session-{n}", {"data": os.urandom(400)}, owner=n % 100)
                for n in range(start, start + 50)
            ),
            return_exceptions=True,
        )
        assert all(isinstance(result, BackendFull) for result in results if isinstance(result, BaseException))
        refused += sum(isinstance(result, BackendFull) for result in results)
    await backend.aclose()
    return refused


def states() -> dict[str, str]:
    """Return the state of the alerts by rule."""
    return dict(Alert.objects.values_list("rule", "state"))


def tick(backend: RedisStateBackend) -> dict[str, Any]:
    """Do what beat asks for each minute."""
    sample_memory(backend)
    return check_evictions(backend)


@pytest.mark.parametrize(
    "policy",
    [
        "volatile-ttl",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
    ],
)
def test_losses_fire_within_one_tick_and_end_when_memory_is_raised(redis_server: Servers, policy: str) -> None:
    server = redis_server(maxmemory="3mb", policy=policy)
    backend = RedisStateBackend(server.url)
    tick(backend)
    assert states() == {}
    assert asyncio.run(fill(backend, 4000)) == 0
    report = tick(backend)
    assert report["servers"][0]["evicted"] > 0
    fired = states()
    assert fired["evictions"] == "firing"
    assert fired["sessions_lost"] == "firing"
    assert (fired.get("memory_high") == "firing") == policy.startswith("volatile")
    advice = Alert.objects.get(rule="sessions_lost").advice
    assert "maxmemory" in advice
    assert AlertMessage.objects.filter(kind="fired", sent_at__isnull=False).count() == len(fired)
    with server.client() as client:
        client.config_set("maxmemory", "64mb")
    tick(backend)
    tick(backend)
    assert {state for rule, state in states().items() if rule != "index_lost"} == {"resolved"}
    assert AlertMessage.objects.filter(kind="resolved").count() >= 2
    backend.close()


def test_a_server_that_refuses_writes_is_told_of_by_its_memory(redis_server: Servers) -> None:
    server = redis_server(maxmemory="3mb", policy="noeviction")
    backend = RedisStateBackend(server.url)
    tick(backend)
    assert asyncio.run(fill(backend, 4000)) > 0
    report = tick(backend)
    assert report["lost"] == 0
    assert states() == {"memory_high": "firing"}
    assert Alert.objects.get().severity == "critical"
    with server.client() as client:
        client.config_set("maxmemory", "64mb")
    tick(backend)
    tick(backend)
    assert states() == {"memory_high": "resolved"}
    backend.close()


def test_a_store_that_is_away_mutes_the_rest_and_is_told_of_once(redis_server: Servers) -> None:
    server = redis_server(persist=True)
    backend = RedisStateBackend(server.url)
    asyncio.run(fill(backend, 10))
    tick(backend)
    server.kill()
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            check_evictions(backend)
    assert states() == {"store_unreachable": "firing"}
    assert AlertMessage.objects.count() == 1
    server.start()
    tick(backend)
    tick(backend)
    assert states() == {"store_unreachable": "resolved"}
    assert AlertMessage.objects.count() == 2
    backend.close()


@pytest.mark.parametrize("how", ["flush", "restart"])
def test_an_emptied_store_is_one_alert_with_the_estimate(redis_server: Servers, how: str) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    asyncio.run(fill(backend, 200))
    tick(backend)
    if how == "flush":
        with server.client() as client:
            client.flushall()
    else:
        server.kill()
        server.start()
    tick(backend)
    alert = Alert.objects.get()
    assert (alert.rule, alert.severity, alert.value) == ("sessions_lost", "critical", 200)
    backend.close()


def test_reset_counters_raise_no_alert(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    asyncio.run(fill(backend, 50))
    tick(backend)
    with server.client() as client:
        client.config_resetstat()
    tick(backend)
    assert states() == {}
    backend.close()


@pytest.mark.parametrize("options", [{"users": ["app on >secret ~* +@all -@dangerous"]}, {"renamed": {"INFO": ""}}])
def test_a_server_that_says_nothing_raises_no_alert(redis_server: Servers, options: dict[str, Any]) -> None:
    server = redis_server(**options)
    user = "app:secret@" if "users" in options else ""
    backend = RedisStateBackend(f"redis://{user}{server.host}:{server.port}/0")
    asyncio.run(fill(backend, 50))
    for _ in range(3):
        tick(backend)
    assert states() == {}
    assert MemorySample.objects.count() == 3
    backend.close()


def test_a_broker_on_a_server_that_may_evict_it_is_at_risk(redis_server: Servers, broker: Celery) -> None:
    server = redis_server(maxmemory="64mb", policy="allkeys-lru")
    backend = RedisStateBackend(server.url)
    tick(backend)
    assert states() == {}
    broker.conf.broker_url = f"redis://{server.host}:{server.port}/5"
    tick(backend)
    alert = Alert.objects.get()
    assert alert.rule == "broker_at_risk"
    assert "noeviction" in alert.advice
    backend.close()


@pytest.mark.parametrize(
    "check", ["?ssl_cert_reqs=CERT_NONE", "?ssl_cert_reqs=none", "use_ssl", "?ssl_cert_reqs=CERT_REQUIRED"]
)
def test_a_broker_is_asked_over_tls_as_celery_does(redis_server: Servers, broker: Celery, check: str) -> None:
    server = redis_server(maxmemory="64mb", policy="allkeys-lru", tls=True)
    broker.conf.broker_url = f"rediss://{server.host}:{server.tls_port}/5{check if check.startswith('?') else ''}"
    if check == "use_ssl":
        broker.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_NONE}
    found = read_broker([])
    if check.endswith("REQUIRED"):
        assert found is None  # Nobody whom this machine trusts has signed its certificate.
    else:
        assert found == BrokerReading(
            node=f"port {server.port}", policy="allkeys-lru", limit_bytes=64 * 1024**2, shared_with_store=False
        )


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:{port}/0", "amqp://127.0.0.1:{port}//", "nonsense://host", "memory://"]
)
def test_a_broker_that_cannot_be_asked_is_not_known(broker: Celery, url: str) -> None:
    broker.conf.broker_url = url.format(port=free_port())
    assert read_broker([]) is None


def test_a_broker_that_keeps_silent_is_not_waited_for(broker: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("djust.monitoring.broker._IMPATIENT", {"socket_timeout": 0.1, "socket_connect_timeout": 0.1})
    with socket.create_server((HOST, 0)) as silent:
        broker.conf.broker_url = f"redis://{HOST}:{silent.getsockname()[1]}/0"
        assert read_broker([]) is None


def test_a_clean_up_that_stopped_is_told_of(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    rules = {**AT_ONCE, "cleanup_stopped": {"for_seconds": 0}}
    long_ago = timezone.now() - timedelta(hours=2)
    PeriodicTask.objects.update(date_changed=long_ago)
    MaintenanceRun.objects.create(task="cleanup", trigger="beat", outcome="done", started_at=long_ago, duration_ms=5)
    with override_settings(DJUST_CONFIG={"ALERT_RULES": rules}):
        tick(backend)
    alert = Alert.objects.get()
    assert (alert.rule, alert.state, alert.severity) == ("cleanup_stopped", "firing", "critical")
    backend.close()


def test_a_clean_up_that_is_not_due_at_this_hour_has_not_stopped(redis7: RedisServer, key_prefix: str) -> None:
    ended = timezone.now() - timedelta(hours=3)
    hourly = CrontabSchedule.objects.create(minute="*/5", hour=str(ended.hour), timezone="UTC")
    rows = PeriodicTask.objects.filter(task="djust.tasks.cleanup_expired_sessions")
    rows.update(interval=None, crontab=hourly, date_changed=ended - timedelta(days=30))
    last = ended.replace(minute=55, second=0)
    run = MaintenanceRun.objects.create(task="cleanup", trigger="beat", started_at=last, outcome="done", duration_ms=5)
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    rules = AT_ONCE | {"cleanup_stopped": {"for_seconds": 0}}
    with override_settings(DJUST_CONFIG={"ALERT_RULES": rules}):
        check_evictions(backend)
        assert "cleanup_stopped" not in states()
        MaintenanceRun.objects.filter(pk=run.pk).update(started_at=last - timedelta(days=1))
        check_evictions(backend)
        assert states()["cleanup_stopped"] == "firing"
    backend.close()
