"""Ending every session of an owner, also where the index was evicted."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from djust.reconcile import reconcile
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import names
from tests.servers.redis_server import RedisServer

LOSSES = {
    "nothing": [],
    "the owner buckets": ["o:*"],
    "the counters": ["meta"],
    "the deadlines": ["due"],
    "the deadlines and the owners": ["due", "o:*"],
    "all but the payloads": ["due", "act", "never", "o:*", "meta"],
}


@pytest.mark.parametrize("loss", LOSSES)
def test_every_session_of_the_owner_ends(loss: str, redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server(maxmemory="1gb", policy="allkeys-lru")
    backend = RedisStateBackend(server.url)
    for number in range(300):
        backend.set(f"mine{number}", {}, ttl=number % 2 * 100, owner="me")
        backend.set(f"other{number}", {}, owner=f"other{number % 25}")
    with server.client() as client:
        for kind in LOSSES[loss]:
            client.delete(*names(client, "djust:", kind))
    if loss != "all but the payloads":
        # One write makes such a shard look whole. Only the server's own count of evictions tells it apart then.
        backend.set("late", {}, owner="me")
    assert backend.delete_owner("me") == 301 - (loss == "all but the payloads")
    assert all(backend.get(f"mine{number}") is None for number in range(300))
    assert all(backend.get(f"other{number}") is not None for number in range(300))
    repaired = reconcile(backend, repair=["data_without_index", "index_without_data"])
    assert repaired.outcome == "done"
    assert sum(reconcile(backend).found.values()) == 0
    assert sum(backend.delete_owner(f"other{number}") for number in range(25)) == 300
    backend.close()


def test_after_evictions_every_payload_is_asked(redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server(maxmemory="8mb", policy="allkeys-random")
    backend = RedisStateBackend(server.url)
    for number in range(4_000):
        backend.set(f"k{number}", {"noise": os.urandom(1500)}, owner="me" if number % 10 == 0 else f"o{number}")
    with server.client() as client:
        assert client.info("stats")["evicted_keys"] > 0
        client.config_set("maxmemory", "1gb")
        alive = sum(backend.get(f"k{number}") is not None for number in range(0, 4_000, 10))
        client.delete(*names(client, "djust:", "o:*"), *names(client, "djust:", "due"))
    assert backend.delete_owner("me") == alive > 0
    backend.close()


def test_a_change_of_owner_moves_the_session(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    backend.set("key", {}, owner="first")
    backend.set("key", {}, owner="second")
    assert backend.delete_owner("first") == 0
    assert backend.get("key") is not None
    assert backend.delete_owner("second") == 1


def test_everything_ends_under_this_prefix_and_nothing_else(redis7: RedisServer, key_prefix: str) -> None:
    glob = f"{key_prefix[:-1]}*[a-z]?:"
    neighbours = {
        prefix: RedisStateBackend(redis7.url, key_prefix=prefix)
        for prefix in (key_prefix, f"{key_prefix}deeper:", f"{key_prefix[:-1]}xay:", f"{key_prefix[:-1]}-")
    }
    backend = RedisStateBackend(redis7.url, key_prefix=glob)
    with redis7.client() as client:
        client.set(f"{glob}not a session", "keep me")
        for store in (backend, *neighbours.values()):
            for number in range(70):
                store.set(f"k{number}", {})
        assert backend.delete_all() == 70
        assert client.get(f"{glob}not a session") == b"keep me"
        for store in neighbours.values():
            assert store.get_stats()["total_sessions"] == 70
            assert store.delete_all() == 70
        client.delete(f"{glob}not a session")


def test_what_the_index_does_not_know_is_deleted_too(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    for number in range(50):
        backend.set(f"k{number}", {})
    with redis7.client() as client:
        client.delete(*names(client, key_prefix, "due"))
        assert backend.delete_all() == 50
        assert names(client, key_prefix, "*") == []
