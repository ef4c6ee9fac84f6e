"""A ttl given by hand over very many sessions: flat in memory, and no script takes many at once."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from djust.sessions import clean_up
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.sweep import MAX_PER_SHARD
from tests.integration.redis_support import calls_of
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

#: The keys alone of the sessions that go would need more.
MEMORY_BYTES = 3_000_000


def fill(url: str, count: int) -> None:
    """Store sessions of mixed times to live; each fourth never idles out."""

    async def write() -> None:
        backend = RedisStateBackend(url)
        for first in range(0, count, 1_000):
            numbers = range(first, first + 1_000)
            await asyncio.gather(
                *(backend.aset(f"session-{n}", {"n": n}, ttl=0 if n % 4 == 0 else 100 + n % 5_000) for n in numbers)
            )
        await backend.aclose()

    asyncio.run(write())


@pytest.mark.django_db
def test_memory_stays_flat_over_a_hundred_thousand(redis_server: Callable[..., RedisServer], settings: Any) -> None:
    server = redis_server()
    fill(server.url, 100_000)
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": server.url, "SESSION_TTL": 7200}
    stdout = StringIO()
    call_command("cleanup_sessions", "--dry-run", stdout=StringIO())

    def sweep() -> None:
        call_command("cleanup_sessions", "--ttl", "0.001", stdout=stdout)

    tracemalloc.start()
    try:
        with server.client() as client:
            calls = calls_of(client, sweep)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stdout.getvalue().splitlines()[-1] == "Cleaned 75000 expired sessions"
    assert peak < MEMORY_BYTES
    assert calls["unlink"] == 75_000
    with closing(RedisStateBackend(server.url)) as backend:
        assert backend.get_stats()["total_sessions"] == 25_000


def test_no_script_takes_more_than_its_share(redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server(config="slowlog-log-slower-than 0\nslowlog-max-len 1000000")
    fill(server.url, 8_000)
    backend = RedisStateBackend(server.url)
    wait_until(lambda: backend.count_due(0.01) == 6_000, what="them to idle")
    with server.client() as client:
        client.slowlog_reset()
        assert clean_up(backend, ttl=0.01, budget_seconds=60).removed == 6_000
        entries = [entry["command"].split(b" ", 1)[0].upper() for entry in client.slowlog_get(1_000_000)]
    # The log holds what scripts called, each before its script; the newest entry comes first.
    scripts = {b"EVAL", b"EVALSHA"}
    ended_by = itertools.accumulate(name in scripts for name in entries)
    per_script: dict[int, int] = {}
    for number, name in zip(ended_by, entries, strict=True):
        per_script[number] = per_script.get(number, 0) + (name == b"UNLINK")
    assert sum(per_script.values()) == 6_000
    assert max(per_script.values()) <= MAX_PER_SHARD
