"""A clean-up with its signals sent, against bare UNLINK; and what another client feels of it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from typing import Any

import redis

from benchmarks.report import heading, in_turns, per_second, percentile, rate, row, title
from benchmarks.sessions import make_due, typical_state
from djust.sessions import clean_up
from djust.signals import session_expired
from djust.state_backend import RedisStateBackend
from tests.servers.redis_server import RedisServer

COUNT = 50_000
BATCH = 1_000


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    count = COUNT // 5 if quick else COUNT
    backend = RedisStateBackend(server.url)
    heard: list[str] = []

    def listen(key: str, **_: Any) -> None:
        heard.append(key)

    session_expired.connect(listen)
    try:
        with server.client() as bare:
            title(f"A clean-up of {count:,} due sessions, one signal receiver connected")
            _against_unlink(backend, bare, count, rounds=1 if quick else 3)
            _other_client(backend, server, count)
            bare.flushall()
    finally:
        session_expired.disconnect(listen)
        backend.close()


def _against_unlink(backend: RedisStateBackend, bare: redis.Redis, count: int, rounds: int) -> None:
    def sweep() -> float:
        make_due(backend, count, {"n": 1})
        return per_second(count, lambda: clean_up(backend, budget_seconds=600))

    def unlink(per_command: int) -> Callable[[], float]:
        def work() -> float:
            _fill_bare(bare, count)
            return per_second(count, lambda: _unlink(bare, count, per_command))

        return work

    found = in_turns(rounds, {"sweep": sweep, "one": unlink(1), "many": unlink(BATCH)})
    heading()
    ours = found["sweep"]
    for what, peer, aim in (
        ("clean_up / UNLINK, a key a command, pipelined", found["one"], "0.5"),
        (f"clean_up / UNLINK, {BATCH:,} keys a command", found["many"], ""),
    ):
        row(what, ours=rate(ours), peer=rate(peer), ratio=ours / peer, aim=aim)


def _fill_bare(bare: redis.Redis, count: int) -> None:
    for start in range(0, count, BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for number in range(start, start + BATCH):
                pipeline.set(b"x%032x" % number, b"y" * 80)
            pipeline.execute()


def _unlink(bare: redis.Redis, count: int, per_command: int) -> None:
    for start in range(0, count, BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for first in range(start, start + BATCH, per_command):
                pipeline.unlink(*(b"x%032x" % number for number in range(first, first + per_command)))
            pipeline.execute()


def _reads(url: str, ready: Event, stop: Event, answers: Any) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("other", b"x" * 500)
        found = []
        ready.set()
        while not stop.is_set():
            started = time.perf_counter()
            client.get("other")
            found.append((time.perf_counter() - started) * 1000)
        answers.put((percentile(found, 0.5), percentile(found, 0.99), max(found)))


def _latency(server: RedisServer, work: Callable[[], object]) -> tuple[float, float, float]:
    context = multiprocessing.get_context("spawn")
    ready, stop, answers = context.Event(), context.Event(), context.Queue()
    process = context.Process(target=_reads, args=(server.url, ready, stop, answers))
    process.start()
    ready.wait()
    work()
    stop.set()
    answer: tuple[float, float, float] = answers.get()
    process.join()
    return answer


def _other_client(backend: RedisStateBackend, server: RedisServer, count: int) -> None:
    make_due(backend, count, typical_state())
    busy = _latency(server, lambda: clean_up(backend, budget_seconds=600))
    idle = _latency(server, lambda: time.sleep(1))
    for number, (what, aim) in enumerate((("p50", ""), ("p99", "below 3 ms"), ("worst", ""))):
        ours, peer = f"{busy[number]:.2f} ms", f"{idle[number]:.2f} ms"
        row(f"another client's GET, {what} during / idle", ours=ours, peer=peer, aim=aim)
