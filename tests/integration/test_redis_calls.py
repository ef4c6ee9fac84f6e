"""What a call costs: one round trip, and never a walk over the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import calls_of
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.parametrize("server_name", ["redis6", "redis7", "valkey"])


@pytest.fixture
def server(request: pytest.FixtureRequest, server_name: str) -> RedisServer:
    return request.getfixturevalue(server_name)


@pytest.fixture
def backend(server: RedisServer, key_prefix: str) -> Iterator[RedisStateBackend]:
    backend = RedisStateBackend(server.url, key_prefix=key_prefix)
    backend.set("warm", {})
    backend.touch("warm")
    backend.get_stats()
    yield backend
    backend.close()


def test_a_write_is_one_script_call(server: RedisServer, backend: RedisStateBackend) -> None:
    with server.client() as client:
        calls = calls_of(client, lambda: backend.set("a", {"n": 1}, owner="o", label="l"))
    assert calls["evalsha"] == 1
    assert "eval" not in calls
    assert calls["set"] == 1


def test_a_read_is_one_get(server: RedisServer, backend: RedisStateBackend) -> None:
    with server.client() as client:
        assert calls_of(client, lambda: backend.get("warm")) == {"get": 1}


def test_a_touch_is_one_script_call_and_does_not_write_the_payload(
    server: RedisServer, backend: RedisStateBackend
) -> None:
    with server.client() as client:
        calls = calls_of(client, lambda: backend.touch("warm"))
    assert calls["evalsha"] == 1
    assert "set" not in calls
    assert calls["setrange"] == 1


def test_what_one_tick_asks_shares_a_round_trip(server: RedisServer, key_prefix: str) -> None:
    async def work() -> None:
        backend = RedisStateBackend(server.url, key_prefix=key_prefix)
        await asyncio.gather(*(backend.aset(f"k{n}", {"n": n}) for n in range(100)))
        await backend.aclose()

    with server.client() as client:
        before = client.info("stats")["total_connections_received"]
        asyncio.run(work())
        # Each round trip that is under way has a connection of its own.
        assert client.info("stats")["total_connections_received"] == before + 1


def test_figures_come_from_the_index(server: RedisServer, backend: RedisStateBackend) -> None:
    for number in range(300):
        backend.set(f"k{number}", {})
    with server.client() as client:
        calls = calls_of(client, backend.get_stats)
    assert calls["evalsha"] == 64
    assert not {"scan", "keys", "dbsize", "get", "mget"} & calls.keys()


def test_a_touch_that_is_not_due_is_not_sent(server: RedisServer, backend: RedisStateBackend) -> None:
    session = backend.get("warm")
    assert session is not None
    due_at = session.touch_due_at()
    assert due_at is not None
    with server.client() as client:
        assert calls_of(client, lambda: backend.touch_if_due(session)) == {}
        assert calls_of(client, lambda: backend.touch_if_due(session, now=due_at))["evalsha"] == 1
