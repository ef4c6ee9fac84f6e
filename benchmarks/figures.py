"""Statistics at ten thousand and at a million sessions: what they cost, and whether they are right."""

from __future__ import annotations

import asyncio
import time

from benchmarks.report import in_turns, title
from benchmarks.sessions import fill, name
from djust.state_backend import RedisStateBackend
from tests.servers.redis_server import RedisServer

SMALL, LARGE = 10_000, 1_000_000


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    title("Statistics")
    print(f"{'sessions':>12}{'get_stats':>14}{'says':>12}{'oldest off by':>16}{'newest off by':>16}")
    backend = RedisStateBackend(server.url, timeout=10)
    for count in (SMALL,) if quick else (SMALL, LARGE):
        asyncio.run(fill(backend, count, lambda _: {}))
        backend.touch(name(0))
        oldest, newest = backend.get(name(1)), backend.get(name(0))
        assert oldest is not None
        assert newest is not None
        milliseconds = in_turns(7, {"stats": lambda: _milliseconds(backend)})["stats"]
        stats = backend.get_stats()
        now = stats["verified_at"]
        off = [
            abs((now - session.last_active_at).total_seconds() - stats[age])
            for session, age in ((oldest, "oldest_session_age"), (newest, "newest_session_age"))
        ]
        print(
            f"{count:>12,}{milliseconds:>11.1f} ms{stats['total_sessions']:>12,}"
            f"{off[0] * 1000:>13.0f} ms{off[1] * 1000:>13.0f} ms",
            flush=True,
        )
        backend.delete_all()
    backend.close()


def _milliseconds(backend: RedisStateBackend) -> float:
    started = time.perf_counter()
    backend.get_stats()
    return (time.perf_counter() - started) * 1000
