"""At full memory nothing is lost, and what frees memory still works."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from djust.exceptions import BackendFull
from djust.reconcile import reconcile
from djust.sessions import clean_up
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import hearing, names, payload_name
from tests.servers import binaries
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

BINARIES = {"redis6": binaries.redis6, "redis7": binaries.redis7, "valkey": binaries.valkey}
LARGE = {"noise": os.urandom(20_000)}


def fill(backend: RedisStateBackend) -> None:
    for number in range(1000):
        backend.set(f"filler{number}", LARGE, ttl=0)


@pytest.fixture(params=list(BINARIES))
def full(
    request: pytest.FixtureRequest, redis_server: Callable[..., RedisServer]
) -> Iterator[tuple[RedisServer, RedisStateBackend]]:
    """A server that refuses every write, with a few sessions on it, some of them due."""
    server = redis_server(BINARIES[request.param](), policy="noeviction")
    backend = RedisStateBackend(server.url)
    for number in range(20):
        backend.set(f"mine{number}", {"n": number}, owner="me")
        backend.set(f"due{number}", {"n": number}, ttl=0.001, owner="me")
    with server.client() as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 400_000)
        with pytest.raises(BackendFull):
            fill(backend)
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 100_000)
    yield server, backend
    backend.close()


def test_a_refused_write_leaves_the_old_state(full: tuple[RedisServer, RedisStateBackend]) -> None:
    server, backend = full
    with server.client() as client:
        before = client.dump(payload_name("djust:", "mine1"))
        with pytest.raises(BackendFull, match="maxmemory"):
            backend.set("mine1", {"n": 2})
        with pytest.raises(BackendFull):
            backend.set("new", {"n": 2})
        assert client.dump(payload_name("djust:", "mine1")) == before
    session = backend.get("mine1")
    assert session is not None
    assert session.state == {"n": 1}
    assert backend.get("new") is None


def test_touch_delete_and_clean_up_work(full: tuple[RedisServer, RedisStateBackend]) -> None:
    server, backend = full
    before = backend.get("mine1")
    assert before is not None
    assert backend.touch("mine1", 5000)
    assert backend.touch("mine1", 0)
    after = backend.get("mine1")
    assert after is not None
    assert after.expires_at is None
    assert backend.delete("mine2")
    with hearing() as heard:
        report = clean_up(backend)
    assert (report.outcome, report.removed) == ("done", 20)
    assert len(set(heard.keys())) == 20
    assert backend.delete_owner("me") == 19
    assert backend.cleanup_expired(ttl=0.001) == 0
    with server.client() as client:
        assert client.info("memory")["used_memory"] > client.info("memory")["maxmemory"]


def test_a_session_by_hand_idle_time_goes(full: tuple[RedisServer, RedisStateBackend]) -> None:
    _server, backend = full
    assert backend.cleanup_expired(ttl=0.001) == 40


def test_reconcile_can_repair(full: tuple[RedisServer, RedisStateBackend]) -> None:
    server, backend = full
    with server.client() as client:
        client.delete(payload_name("djust:", "mine3"))
        client.delete(*names(client, "djust:", "act"))
        client.config_set("maxmemory", max(1, client.info("memory")["used_memory"] - 50_000))
    report = reconcile(backend, repair=["index_without_data", "data_without_index"])
    assert report.repaired["index_without_data"] == 1
    assert report.repaired["data_without_index"] >= 19
    assert sum(reconcile(backend).found.values()) == 0


def test_everything_can_be_deleted(full: tuple[RedisServer, RedisStateBackend]) -> None:
    _server, backend = full
    assert backend.delete_all() >= 20
    backend.set("again", {})


@pytest.mark.parametrize(
    "policy", ["allkeys-lru", "allkeys-random", "volatile-lru", "volatile-ttl", "volatile-random"]
)
def test_under_pressure_no_write_is_refused_and_the_index_stays_in_bounds(
    policy: str, redis_server: Callable[..., RedisServer]
) -> None:
    server = redis_server(maxmemory="12mb", policy=policy)
    backend = RedisStateBackend(server.url)
    for number in range(12_000):
        backend.set(f"drive-by {number}", {"text": b"x" * 700}, owner=f"o{number}")
    with server.client() as client:
        assert client.info("stats")["evicted_keys"] > 0
        alive = sum(1 for _ in client.scan_iter("djust:{*}:s:*", count=1000))
        indexed = sum(client.zcard(name) for name in names(client, "djust:", "due"))
    assert alive > 1000
    if policy.startswith("volatile"):
        assert alive <= indexed <= 3 * alive
    else:
        # Here the index itself may have been evicted.
        assert indexed <= 3 * alive
    with hearing() as heard:
        backend.cleanup_expired()
    assert len(heard.keys()) == len(set(heard.keys()))
    assert heard.evicted
    backend.close()


def test_a_lease_cannot_be_refused_by_full_memory(full: tuple[RedisServer, RedisStateBackend]) -> None:
    _server, backend = full
    assert backend.acquire_lease("cleanup", "one", 0.2)
    assert not backend.acquire_lease("cleanup", "two", 0.2)
    wait_until(lambda: backend.acquire_lease("cleanup", "two", 5), what="the lease to end by itself")
