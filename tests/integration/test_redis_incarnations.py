"""A key that is used again is another session: what is left of the one before must not stand in its way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from djust.reconcile import reconcile
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import owner_bucket
from tests.integration.redis_support import dump, hearing, names, payload_name
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

INDEX = ["index_without_data", "data_without_index"]


@pytest.fixture(params=["redis6", "redis7", "valkey", "redis_cluster"])
def server(request: pytest.FixtureRequest) -> RedisServer | RedisCluster:
    server: RedisServer | RedisCluster = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def backend(server: RedisServer | RedisCluster, key_prefix: str) -> Iterator[RedisStateBackend]:
    with closing(RedisStateBackend(server.url, key_prefix=key_prefix)) as backend:
        yield backend
        backend.delete_all()


def expire(backend: RedisStateBackend, key: str, owner: str | None = None) -> None:
    """Make a session that has expired and is not reported yet."""
    backend.set(key, {}, ttl=0.05, owner=owner)
    wait_until(lambda: backend.get(key) is None, what="the session to expire")


def neighbours_in_one_bucket() -> tuple[str, str]:
    """Return two owners that share a bucket of the owner index."""
    first = "alice"
    return first, next(
        name for number in count() if owner_bucket((name := f"bob{number}").encode()) == owner_bucket(first.encode())
    )


def evict(server: RedisServer | RedisCluster, prefix: str, key: str) -> None:
    with closing(server.client()) as client:
        client.delete(payload_name(prefix, key))


def test_a_new_session_of_the_same_key_is_not_reported_with_the_old_one(backend: RedisStateBackend) -> None:
    expire(backend, "key", "alice")
    new = backend.set("key", {"n": 1}, expected_version=0)
    assert new.owner is None
    with hearing() as heard:
        assert backend.cleanup_expired() == 1
        assert backend.cleanup_expired() == 0
    [report] = heard.expired
    assert (report["key"], report["owner"]) == ("key", "alice")
    assert report["created_at"] < new.created_at
    assert backend.get("key") == new
    assert backend.delete_owner("alice") == 0
    assert backend.delete("key")


@pytest.mark.parametrize("owner", ["the same", "one of another bucket", "one of the same bucket"])
def test_after_the_report_of_the_old_one_the_new_owner_still_owns_the_session(
    backend: RedisStateBackend, owner: str
) -> None:
    first, neighbour = neighbours_in_one_bucket()
    second = {"the same": first, "one of another bucket": "carol", "one of the same bucket": neighbour}[owner]
    expire(backend, "key", first)
    backend.set("key", {}, owner=second)
    assert backend.cleanup_expired() == 1
    assert backend.delete_owner(second) == 1
    assert backend.get("key") is None


def test_an_evicted_session_whose_key_was_used_again_is_found(
    server: RedisServer | RedisCluster, backend: RedisStateBackend, key_prefix: str
) -> None:
    owners = ["alice", "bob", "carol"]
    made = []
    for owner in owners:
        evict(server, key_prefix, "key")
        made.append(backend.set("key", {}, ttl=0, owner=owner))
    report = reconcile(backend, repair=INDEX)
    assert report.found["index_without_data"] == 2
    with hearing() as heard:
        backend.cleanup_expired()
    assert [report["owner"] for report in heard.evicted] == ["alice", "bob"]
    assert [session.owner for session in backend.iter_sessions()] == ["carol"]
    assert backend.get_stats()["total_sessions"] == 1
    assert backend.delete_owner("alice") == backend.delete_owner("bob") == 0
    assert backend.get("key") == made[-1]
    assert sum(reconcile(backend).found.values()) == 0


def test_what_an_eviction_of_the_deadlines_left_over_goes_with_reconcile(
    server: RedisServer | RedisCluster, backend: RedisStateBackend, key_prefix: str
) -> None:
    for number in range(100):
        backend.set(f"gone{number}", {}, ttl=60 if number % 2 else 0, owner=f"o{number % 3}")
    backend.set("live", {}, owner="o1")
    for number in range(1, 100, 2):
        # Only now, so that no write finds one over.
        backend.touch(f"gone{number}", 0.2)
    with closing(server.client()) as client:
        client.persist(payload_name(key_prefix, "gone0"))
        for name in names(client, key_prefix, "due"):
            client.delete(name)
        for number in range(0, 100, 2):
            client.delete(payload_name(key_prefix, f"gone{number}"))
        wait_until(lambda: all(backend.get(f"gone{n}") is None for n in range(100)), what="the rest to expire")
        before = dump(client, key_prefix)
        found = reconcile(backend)
        assert (found.found["index_without_data"], found.found["data_without_index"]) == (100, 1)
        assert dump(client, key_prefix) == before
        assert reconcile(backend, repair=INDEX).repaired["index_without_data"] == 100
        assert sum(reconcile(backend).found.values()) == 0
        assert backend.delete_owner("o1") == 1
        kinds = {name.rsplit(b":", 1)[-1] for name in client.scan_iter(f"{key_prefix}*", count=1000)}
        assert kinds <= {b"meta"}


def test_what_has_expired_and_waits_for_a_sweep_is_nothing_left_over(backend: RedisStateBackend) -> None:
    last_active = backend.set("key", {}, ttl=0.05, owner="alice").last_active_at
    wait_until(lambda: backend.get("key") is None, what="the session to expire")
    assert sum(reconcile(backend, repair=INDEX).found.values()) == 0
    with hearing() as heard:
        assert backend.cleanup_expired() == 1
    assert [report["last_active_at"] for report in heard.expired] == [last_active]


def test_the_count_of_owners_is_left_alone_unless_the_owners_are_repaired(
    server: RedisServer | RedisCluster, backend: RedisStateBackend, key_prefix: str
) -> None:
    for number in range(100):
        backend.set(f"k{number}", {}, owner="alice")
    with closing(server.client()) as client:
        for name in names(client, key_prefix, "o:*"):
            client.delete(name)
    reconcile(backend, repair=["no_ttl", "index_without_data"])
    assert backend.delete_owner("alice") == 100
