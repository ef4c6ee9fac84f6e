"""Memory pressure that lasts while nobody sweeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from djust.reconcile import reconcile
from djust.sessions import clean_up
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import hearing, names
from tests.servers import binaries
from tests.servers.redis_server import RedisServer

TOTAL, AT_ONCE = 30_000, 100
BINARIES = {"redis6": binaries.redis6, "redis7": binaries.redis7, "valkey": binaries.valkey}


async def visit(backend: RedisStateBackend, kind: str, total: int, ttl: float) -> None:
    """Let visitors come, each of whom is never seen again."""
    for start in range(0, total, AT_ONCE):
        numbers = range(start, start + AT_ONCE)
        await asyncio.gather(
            *(backend.aset(f"{kind} {n}", {"text": "x" * 400}, ttl=ttl, owner=f"o{n}") for n in numbers)
        )
    await backend.aclose()


@pytest.mark.parametrize("server_name", BINARIES)
def test_names_of_evicted_sessions_leave_room_for_sessions_and_none_is_lost_uncounted(
    server_name: str, redis_server: Callable[..., RedisServer]
) -> None:
    server = redis_server(BINARIES[server_name](), maxmemory="8mb", policy="volatile-lru")
    backend = RedisStateBackend(server.url)
    asyncio.run(visit(backend, "visitor", TOTAL, 3600))
    with server.client() as client:
        assert client.info("stats")["evicted_keys"] > TOTAL / 2
        alive = sum(1 for _ in client.scan_iter("djust:{*}:s:*", count=1000))
        indexed = sum(client.zcard(name) for name in names(client, "djust:", "due"))
        waiting = sum(client.llen(name) for name in names(client, "djust:", "gone"))
        print(f"alive {alive}, indexed {indexed}, waiting {waiting}")
        assert alive > 1_000
        assert indexed <= 4 * alive
        assert waiting <= indexed + 64 * 64
        # From here on nothing more is evicted.
        client.config_set("maxmemory", "1gb")
        alive = sum(1 for _ in client.scan_iter("djust:{*}:s:*", count=1000))
    reconcile(backend, repair=["index_without_data"])
    with hearing() as heard:
        report = clean_up(backend)
    assert report.outcome == "done"
    assert len(heard.evicted) == report.evicted == len(set(heard.keys()))
    assert report.evicted + report.unreported + alive == TOTAL
    assert backend.get_stats()["total_sessions"] == alive
    backend.close()
