"""Samples of real servers."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from djust.models import MemorySample
from djust.monitoring.info import SMALL
from djust.monitoring.retention import LEVELS, thin
from djust.monitoring.sampling import FIRST, RESET, RESTARTED, sample_memory
from djust.state_backend import InMemoryStateBackend, RedisStateBackend
from tests.servers import binaries
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer

Servers = Callable[..., RedisServer]

pytestmark = pytest.mark.django_db


def fill(backend: RedisStateBackend, count: int) -> None:
    choose = random.Random(count)
    for number in range(count):
        backend.set(f"session-{number}", {"data": choose.randbytes(choose.randrange(1, 2000))}, owner=number % 50)


def only(report: dict[str, Any]) -> dict[str, Any]:
    """Return the one server of a report."""
    [server] = report["servers"]
    assert isinstance(server, dict)
    return server


@pytest.mark.parametrize("server_name", ["redis6", "redis7", "valkey"])
def test_a_sample_of_each_server(redis_server: Servers, server_name: str) -> None:
    server = redis_server(getattr(binaries, server_name)(), maxmemory="64mb", policy="volatile-ttl")
    backend = RedisStateBackend(server.url)
    fill(backend, 1000)
    figures = only(sample_memory(backend))
    assert (figures["sessions"], figures["limit_bytes"], figures["limit_source"]) == (1000, 64 * 2**20, "maxmemory")
    assert figures["policy"] == "volatile-ttl"
    assert 0 < figures["usage"] < 1
    true = backend.get_memory_stats()
    assert abs(figures["bytes_per_session"] - true["average_state_bytes"]) <= 3 * figures["bytes_per_session_margin"]
    assert 0 < figures["index_bytes"] < figures["used_bytes"]
    assert figures["lost_estimate"] == 0
    assert figures["lost_margin"] > 0
    assert figures["unavailable"]["fragmentation"] == SMALL
    assert {figures["unavailable"][name] for name in ("evicted", "hits")} == {FIRST}
    row = MemorySample.objects.get()
    assert row.sessions == 1000
    backend.close()


def test_counters_are_compared_within_one_life_of_the_server(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    client = Redis.from_url(server.url)
    sample_memory(backend)
    assert backend.get("nobody") is None
    fill(backend, 5)
    figures = only(sample_memory(backend))
    assert figures["evicted"] == 0
    assert "hit_ratio" in figures
    row = MemorySample.objects.first()
    assert row is not None
    assert row.span_seconds is not None
    assert row.span_seconds > 0
    client.config_resetstat()
    figures = only(sample_memory(backend))
    assert (figures["hit_ratio"], figures["unavailable"]["misses"]) == (None, RESET)
    server.kill()
    server.start()
    figures = only(sample_memory(backend))
    assert (figures["evicted"], figures["unavailable"]["evicted"]) == (None, RESTARTED)
    backend.close()


def test_what_a_user_may_not_ask_is_null_with_the_reason(redis_server: Servers) -> None:
    server = redis_server(users=["app on >secret ~* +@all -@dangerous -memory"])
    backend = RedisStateBackend(f"redis://app:secret@{server.host}:{server.port}/0")
    backend.set("key", {})
    figures = only(sample_memory(backend))
    assert figures["sessions"] == 1
    for name in ("used_bytes", "limit_bytes", "policy", "evicted", "bytes_per_session", "index_bytes"):
        assert not figures[name], name
        assert "docs/redis.md" in figures["unavailable"][name], name
    assert figures["usage"] is None
    backend.close()


def test_every_primary_of_a_cluster_has_a_sample(redis_cluster: RedisCluster, key_prefix: str) -> None:
    backend = RedisStateBackend(redis_cluster.url, key_prefix=key_prefix)
    fill(backend, 300)
    report = sample_memory(backend)
    assert len({server["node"] for server in report["servers"]}) == 3
    assert sum(server["sessions"] for server in report["servers"]) == 300
    assert MemorySample.objects.values("sampled_at").distinct().count() == 1
    backend.delete_all()
    backend.close()


def test_the_memory_backend_has_nothing_to_sample() -> None:
    assert sample_memory(InMemoryStateBackend())["outcome"] == "not_applicable"


def test_old_samples_are_thinned_and_rates_stay_right() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    days, minutes = 17, 5
    moments = [now - timedelta(minutes=minutes * number) for number in range(days * 24 * 60 // minutes)]
    rows = [
        MemorySample(
            node="one", sampled_at=moment, used_bytes=number % 7, span_seconds=300, evicted=3, counters={"a": 1}
        )
        for number, moment in enumerate(moments)
    ]
    MemorySample.objects.bulk_create(rows)
    removed = 0
    while gone := thin(now):
        removed += gone
    assert thin(now) == 0
    left = list(MemorySample.objects.order_by("sampled_at"))
    assert removed == len(rows) - len(left)
    (recent, quarter), (older, hour) = LEVELS
    assert len([row for row in left if row.sampled_at >= now - recent]) == recent // timedelta(minutes=minutes) + 1
    assert (
        len([row for row in left if now - older <= row.sampled_at < now - recent]) <= (older - recent) // quarter + 1
    )
    assert (
        len([row for row in left if row.sampled_at < now - older]) <= timedelta(days=days) // hour - older // hour + 1
    )
    assert sum(row.evicted or 0 for row in left) == 3 * len(rows)
    assert sum(row.span_seconds or 0 for row in left) == 300 * len(rows)
    assert {row.used_bytes for row in left if row.sampled_at < now - older} == {6}


def test_samples_and_losses_end_with_their_history() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    MemorySample.objects.create(node="one", sampled_at=now - timedelta(days=400))
    thin(now)
    assert not MemorySample.objects.exists()
