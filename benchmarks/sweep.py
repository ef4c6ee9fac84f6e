"""A clean-up with its signals sent, against bare UNLINK; and what another client feels of it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

import redis

from benchmarks.report import Rounds, heading, in_turns, per_second, percentile, rates, row, title
from benchmarks.sessions import make_due, typical_state
from djust.sessions import clean_up
from djust.signals import session_expired
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout
from tests.servers.redis_server import RedisServer

COUNT = 50_000
ROUNDS = 5
BATCH = 1_000


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    count, rounds = (COUNT // 5, 1) if quick else (COUNT, ROUNDS)
    backend = RedisStateBackend(server.url)
    heard: list[str] = []

    def listen(key: str, **_: Any) -> None:
        heard.append(key)

    session_expired.connect(listen)
    try:
        with server.client() as bare:
            title(f"A clean-up of {count:,} due sessions, one signal receiver connected")
            heading()
            _against_unlink(backend, bare, count, rounds)
            _other_client(backend, bare, server, count, rounds)
    finally:
        session_expired.disconnect(listen)
        backend.close()
    asked = 2 * rounds * count
    print(f"{len(heard):,} signals for {asked:,} due sessions, {len(heard) - len(set(heard)) * 2 * rounds} in excess")


def _against_unlink(backend: RedisStateBackend, bare: redis.Redis, count: int, rounds: int) -> None:
    busy: list[float] = []

    def sweep() -> float:
        bare.flushall()
        make_due(backend, count, typical_state())
        bare.config_resetstat()
        started = time.perf_counter()
        report = clean_up(backend, budget_seconds=600)
        seconds = time.perf_counter() - started
        assert report.removed == count
        busy.append(_server_seconds(bare) / seconds)
        return count / seconds

    def unlink(per_command: int) -> float:
        size = _fill_bare(bare, backend, count)
        assert size > 0
        return per_second(count, lambda: _unlink(bare, count, per_command))

    found = in_turns(rounds, {"one": partial(unlink, 1), "sweep": sweep, "many": partial(unlink, BATCH)})
    rates("clean_up / UNLINK, a key a command, pipelined", found, "sweep", "one", "0.5")
    rates(f"clean_up / UNLINK, {BATCH:,} keys a command", found, "sweep", "many", "0.1")
    share = Rounds({"busy": busy}).median("busy")
    print(f"Of a clean-up's time, Redis spends {share:.0%} in scripts; the rest is the process that cleans up.")


def _server_seconds(bare: redis.Redis) -> float:
    return float(bare.info("commandstats")["cmdstat_evalsha"]["usec"]) / 1e6


def _fill_bare(bare: redis.Redis, backend: RedisStateBackend, count: int) -> int:
    """Store keys with payloads as long as those of the sessions."""
    layout, key = Layout("djust:"), b"%032x" % 0
    backend.set(key.decode(), typical_state(), owner="100000")
    size = int(bare.strlen(layout.shard(key).payload(key)))
    bare.flushall()
    for start in range(0, count, BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for number in range(start, start + BATCH):
                pipeline.set(b"x:%032x" % number, b"y" * size, ex=3600)
            pipeline.execute()
    return size


def _unlink(bare: redis.Redis, count: int, per_command: int) -> None:
    for start in range(0, count, BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for first in range(start, start + BATCH, per_command):
                pipeline.unlink(*(b"x:%032x" % number for number in range(first, first + per_command)))
            pipeline.execute()


def _other_client(backend: RedisStateBackend, bare: redis.Redis, server: RedisServer, count: int, rounds: int) -> None:
    shares = {"p50": 0.5, "p99": 0.99}
    seen: dict[str, list[float]] = {f"{kind} {share}": [] for kind in ("sweep", "unlink", "idle") for share in shares}
    for _ in range(rounds):
        _fill_bare(bare, backend, count)
        unlink = _latencies(server, lambda: _unlink(bare, count, 1))
        bare.flushall()
        make_due(backend, count, typical_state())
        sweep = _latencies(server, lambda: clean_up(backend, budget_seconds=600))
        idle = _latencies(server, lambda: time.sleep(0.5))
        for kind, found in (("sweep", sweep), ("unlink", unlink), ("idle", idle)):
            for share, value in shares.items():
                seen[f"{kind} {share}"].append(percentile(found, value))
    medians = Rounds(seen)
    for peer, words in (("idle", "when idle"), ("unlink", "during UNLINK")):
        for share, aim in (("p50", ""), ("p99", "< 3 ms")):
            ours, theirs = f"sweep {share}", f"{peer} {share}"
            row(
                f"another client's GET, {share} / {words}",
                ours=f"{medians.median(ours):.2f} ms",
                peer=f"{medians.median(theirs):.2f} ms",
                ratio=medians.ratio(ours, theirs),
                aim=aim,
            )


def _latencies(server: RedisServer, work: Callable[[], object]) -> list[float]:
    """Return the milliseconds that each GET of another process took while ``work`` was done."""
    context = multiprocessing.get_context("spawn")
    ready, stop, answers = context.Event(), context.Event(), context.SimpleQueue()
    process = context.Process(target=_read, args=(server.url, ready, stop, answers))
    process.start()
    ready.wait()
    work()
    stop.set()
    found: list[float] = answers.get()
    process.join()
    return found


def _read(url: str, ready: Event, stop: Event, answers: Any) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("other", b"x" * 500)
        found = []
        ready.set()
        while not stop.is_set():
            started = time.perf_counter()
            client.get("other")
            found.append((time.perf_counter() - started) * 1000)
        answers.put(found)
