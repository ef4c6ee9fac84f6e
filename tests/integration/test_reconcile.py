"""Reconcile finds what does not fit, and repairs only what it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from djust.exceptions import InvalidArgument
from djust.reconcile import reconcile
from djust.state_backend import InMemoryStateBackend, RedisStateBackend
from djust.state_backend.records import REPAIRABLE_KINDS
from djust.state_backend.redis.layout import Layout
from tests.integration.redis_support import dump, hearing, payload_name
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer

COUNT = 120


@pytest.fixture(params=["redis6", "redis7", "valkey", "redis_cluster"])
def server(request: pytest.FixtureRequest) -> RedisServer | RedisCluster:
    server: RedisServer | RedisCluster = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def backend(server: RedisServer | RedisCluster, key_prefix: str) -> Iterator[RedisStateBackend]:
    """A store in which one thing of each kind is wrong."""
    with closing(RedisStateBackend(server.url, key_prefix=key_prefix)) as backend:
        for number in range(COUNT):
            backend.set(f"key{number}", {"n": number}, ttl=number % 2 * 100, owner=f"o{number % 5}")
        with closing(server.client()) as client:
            client.delete(payload_name(key_prefix, "key1"))
            client.persist(payload_name(key_prefix, "key3"))
            client.setrange(payload_name(key_prefix, "key5"), 0, b"XX")
            shard = Layout(key_prefix).shard(b"key7")
            [member] = [
                member for member in client.zrange(shard.due, 0, -1) if b"key7" in member and b"key7o" in member
            ]
            client.zrem(shard.due, member)
        yield backend
        backend.delete_all()


def found(backend: RedisStateBackend, **options: Any) -> dict[str, set[str]]:
    """Return the keys of each kind of finding."""
    report = reconcile(backend, **options)
    assert report.outcome == "done"
    return {kind: {f.key for f in report.findings if f.kind == kind} for kind, count in report.found.items() if count}


PLANTED = {
    "index_without_data": {"key1"},
    "no_ttl": {"key3"},
    "undecodable": {"key5"},
    "data_without_index": {"key7"},
}


def test_everything_is_found_and_nothing_is_changed(
    backend: RedisStateBackend, server: RedisServer | RedisCluster, key_prefix: str
) -> None:
    with closing(server.client()) as client:
        before = dump(client, key_prefix)
        assert found(backend) == PLANTED
        assert dump(client, key_prefix) == before


@pytest.mark.parametrize("kind", REPAIRABLE_KINDS)
def test_only_what_is_named_is_repaired(backend: RedisStateBackend, kind: str) -> None:
    assert found(backend, repair=[kind]) == PLANTED
    assert found(backend) == {other: keys for other, keys in PLANTED.items() if other != kind}


def test_after_repair_all_is_well(backend: RedisStateBackend) -> None:
    found(backend, repair=REPAIRABLE_KINDS)
    assert found(backend) == {"undecodable": {"key5"}}
    with hearing() as heard:
        backend.cleanup_expired()
    assert [report["key"] for report in heard.evicted] == ["key1"]
    assert heard.expired == []
    session = backend.get("key3")
    assert session is not None
    assert session.expires_at is not None
    assert backend.delete_owner("o2") == sum(1 for n in range(COUNT) if n % 5 == 2)
    assert backend.delete("key5")
    assert found(backend) == {}


def test_it_can_stop_and_go_on(backend: RedisStateBackend) -> None:
    kinds: dict[str, int] = {}
    report = reconcile(backend, budget_seconds=1e-9)
    steps = 1
    while True:
        for kind, count in report.found.items():
            kinds[kind] = kinds.get(kind, 0) + count
        if report.cursor is None:
            break
        report = reconcile(backend, budget_seconds=1e-9, cursor=report.cursor)
        steps += 1
    assert kinds == dict.fromkeys(kinds, 1)
    assert steps > 64


@pytest.mark.parametrize("cursor", ["", "index", "index:x:0", "nowhere:0:0", "data:0"])
def test_a_cursor_that_is_none_is_refused(backend: RedisStateBackend, cursor: str) -> None:
    if cursor:
        with pytest.raises(InvalidArgument, match="cursor"):
            reconcile(backend, cursor=cursor)
    else:
        assert reconcile(backend, cursor=None).outcome == "done"


def test_what_cannot_be_repaired_is_refused(backend: RedisStateBackend) -> None:
    with pytest.raises(InvalidArgument, match="undecodable"):
        reconcile(backend, repair=["undecodable"])


def test_the_memory_backend_has_nothing_to_reconcile() -> None:
    assert reconcile(InMemoryStateBackend()).outcome == "not_applicable"
