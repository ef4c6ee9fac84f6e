"""What it costs to watch the store, and how right the estimates are.

The cost is what Redis itself says that it spent on commands (``INFO commandstats``), which the load of the machine
around it moves less than the time that passes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import redis

from benchmarks.report import title
from benchmarks.sessions import fill
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.monitor import RedisMonitor
from tests.servers.redis_server import RedisServer

SMALL, LARGE = 10_000, 1_000_000
SAMPLE_SIZE = 400
ROUNDS = 5
RUNS = 200
#: Of every so many sessions one is deleted behind the back of the index.
LOST_SHARE = 50


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    title("Watching the store (aim: a tick below 10 ms of Redis's time at a million sessions)")
    print(
        f"{'sessions':>12}{'sample':>18}{'look at the index':>20}{'whole walk':>16}{'passed':>12}{'lost, found':>18}"
    )
    backend = RedisStateBackend(server.url, timeout=30)
    try:
        for count in (SMALL,) if quick else (SMALL, LARGE):
            asyncio.run(fill(backend, count, _state))
            with server.client() as bare:
                _costs(backend, bare, count)
                if count == SMALL:
                    _accuracy(backend, bare)
            server.flush()
    finally:
        backend.close()


def _state(number: int) -> dict[str, Any]:
    """Return states whose sizes are spread as those of real pages are: most small, a few large."""
    size = int(random.Random(number).lognormvariate(5, 1))
    return {"page": number % 7, "text": "x" * min(size, 1900)}


def _costs(backend: RedisStateBackend, bare: redis.Redis, count: int) -> None:
    monitor = backend.monitor
    sample = _median_cost(bare, lambda: (monitor.server_info(), monitor.measure(SAMPLE_SIZE)))
    left = {one.shard: one.left.partition(" ")[0] for one in monitor.look("bench", 0, {}) if one.left}
    look = _median_cost(bare, lambda: monitor.look("bench", monitor.now_ms(), left))
    lost = _delete_some(bare, count // LOST_SHARE)
    started = time.perf_counter()
    found: list[str] = []
    walk = _cost(bare, lambda: found.extend(_walk(monitor)))
    passed = time.perf_counter() - started
    right = f"{lost:,}, {len(set(found)):,}" + ("" if len(found) == lost else " WRONG")
    print(f"{count:>12,}{sample:>15.2f} ms{look:>17.2f} ms{walk:>13.0f} ms{passed:>10.2f} s{right:>18}", flush=True)


def _walk(monitor: RedisMonitor) -> list[str]:
    """Walk the whole index and return the keys of the lost sessions."""
    walk, cursor, found = monitor.open_walk({}), None, []
    while True:
        step = walk.step(cursor)
        while gone := walk.claim(25):
            found += [session.key for session in gone]
        cursor = step.cursor
        if cursor is None:
            walk.close()
            return found


def _accuracy(backend: RedisStateBackend, bare: redis.Redis) -> None:
    """Compare the estimates with the truth, over many samples."""
    sizes = [_usage(bare, name) for name in bare.scan_iter("djust:*:s:*", count=10_000)]
    true = sum(sizes) / len(sizes)
    lost = _delete_some(bare, len(sizes) // LOST_SHARE)
    within, losses_within, margins = 0, 0, []
    for _ in range(RUNS):
        [measured] = backend.monitor.measure(SAMPLE_SIZE)
        mean, margin = measured.bytes_per_session or 0.0, measured.bytes_per_session_margin or 0.0
        within += abs(mean - true) <= margin
        losses_within += abs((measured.lost_estimate or 0.0) - lost) <= (measured.lost_margin or 0.0)
        margins.append(margin / mean)
    print(
        f"Of {RUNS} samples of {SAMPLE_SIZE} among {len(sizes):,} sessions, {within / RUNS:.1%} had the true mean "
        f"({true:.0f} bytes) within their 95 % interval, which was +-{sum(margins) / RUNS:.1%} wide; "
        f"{losses_within / RUNS:.1%} had the true number of lost sessions ({lost}) within theirs.",
        flush=True,
    )


def _usage(bare: redis.Redis, name: bytes) -> int:
    return int(bare.memory_usage(name) or 0)


def _delete_some(bare: redis.Redis, count: int) -> int:
    """Delete payloads as an eviction would, and return how many."""
    names = []
    for name in bare.scan_iter("djust:*:s:*", count=10_000):
        names.append(name)
        if len(names) == count:
            break
    for start in range(0, len(names), 1000):
        bare.delete(*names[start : start + 1000])
    return len(names)


def _median_cost(bare: redis.Redis, work: Callable[[], object]) -> float:
    work()  # The server knows the scripts from here on.
    return sorted(_cost(bare, work) for _ in range(ROUNDS))[ROUNDS // 2]


def _cost(bare: redis.Redis, work: Callable[[], object]) -> float:
    """Return the milliseconds that Redis spent on the commands of ``work``."""
    before = _spent(bare)
    work()
    return (_spent(bare) - before) / 1000


def _spent(bare: redis.Redis) -> int:
    """Return the microseconds that Redis has spent on commands that clients sent.

    What a script calls is counted with the script and once more by itself, so only what clients send is added up.
    """
    stats = bare.info("commandstats")
    sent = ("evalsha", "eval", "info", "get", "hdel", "time", "memory|usage")
    return sum(int(stats[f"cmdstat_{name}"]["usec"]) for name in sent if f"cmdstat_{name}" in stats)
