"""Statistics at ten thousand and at a million sessions: what they cost, and whether they are right."""

from __future__ import annotations

import asyncio
import time

from benchmarks.report import in_turns, title
from benchmarks.sessions import fill, name
from djust.state_backend import RedisStateBackend
from tests.servers.redis_server import RedisServer

SMALL, LARGE = 10_000, 1_000_000
ROUNDS = 9


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    title("Statistics (aim: flat and exact)")
    print(f"{'sessions':>12}{'get_stats':>14}{'says':>12}{'oldest off by':>18}{'newest off by':>18}")
    backend = RedisStateBackend(server.url, timeout=10)
    try:
        for count in (SMALL,) if quick else (SMALL, LARGE):
            _measure(backend, count)
            server.flush()
    finally:
        backend.close()


def _measure(backend: RedisStateBackend, count: int) -> None:
    # The first is alone in its millisecond, and so is the last.
    oldest = backend.set(name(0), {}, ttl=86_400)
    time.sleep(0.01)
    asyncio.run(fill(backend, count, lambda _: {}, first=1))
    time.sleep(0.01)
    newest = backend.set(name(count - 1), {})
    found = in_turns(ROUNDS, {"stats": lambda: _milliseconds(backend)})
    before = backend.monitor.now_ms()
    stats = backend.get_stats()
    after = backend.monitor.now_ms()
    off = []
    for session, age in ((oldest, "oldest_session_age"), (newest, "newest_session_age")):
        at = session.last_active_at.timestamp() * 1000 + stats[age] * 1000
        off.append(max(0.0, before - at, at - after))
    print(
        f"{count:>12,}{found.median('stats'):>11.1f} ms{stats['total_sessions']:>12,}"
        f"{off[0]:>15.1f} ms{off[1]:>15.1f} ms",
        flush=True,
    )


def _milliseconds(backend: RedisStateBackend) -> float:
    started = time.perf_counter()
    backend.get_stats()
    return (time.perf_counter() - started) * 1000
