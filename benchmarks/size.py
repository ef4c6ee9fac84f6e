"""Bytes of a session over a bare key with the same state, itemised by building the parts one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import redis

from benchmarks.report import title
from benchmarks.sessions import fill, name, typical_state
from djust.codec import Codec
from djust.conf import Config
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout
from tests.servers.redis_server import RedisServer

COUNT = 100_000
BATCH = 1_000


def state_of(number: int) -> dict[str, Any]:
    """Return states of different sizes: the memory of one is rounded up, so that one size alone would mislead."""
    return {**typical_state(), "query": "x" * (number % 128)}


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    count = COUNT // 10 if quick else COUNT
    backend = RedisStateBackend(server.url)
    title(f"Bytes of a session over a bare key, {count:,} sessions, keys of 32 characters, with an owner")
    with server.client() as bare:
        bare.flushall()
        empty = _used(bare)
        bare_key = _grown(bare, empty, count, lambda: _set_bare(bare, count))
        bare.flushall()
        empty = _used(bare)
        asyncio.run(fill(backend, count, state_of))
        whole = (_used(bare) - empty) / count
        parts = {kind: _bytes_of(bare, kind) / count for kind in ("due", "act", "o:*", "meta")}
        payloads = _payload_bytes(bare, count)
        bare.flushall()
    print(f"{'a bare key, SET without a TTL':<60}{bare_key:>8.0f}")
    print(f"{'a session':<60}{whole:>8.0f}")
    print(f"{'over a bare key':<60}{whole - bare_key:>8.0f}   aim: at most 420")
    known = 0.0
    for what, size in (
        ("the entry by deadline (who it was, for its report)", parts["due"]),
        ("the entry by last activity", parts["act"]),
        ("the entry in the owner index", parts["o:*"]),
        ("the header, and the longer name of the payload", payloads - bare_key),
        ("counters", parts["meta"]),
    ):
        known += size
        print(f"  {what:<58}{size:>8.0f}")
    print(f"  {'the expiry, and growing of hash tables':<58}{whole - bare_key - known:>8.0f}")
    backend.close()


def _used(bare: redis.Redis) -> int:
    return int(bare.info("memory")["used_memory"])


def _grown(bare: redis.Redis, before: int, count: int, work: Callable[[], None]) -> float:
    work()
    return (_used(bare) - before) / count


def _set_bare(bare: redis.Redis, count: int) -> None:
    codec = Codec.from_config(Config())
    for start in range(0, count, BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for number in range(start, start + BATCH):
                pipeline.set(name(number), codec.encode(state_of(number)))
            pipeline.execute()


def _bytes_of(bare: redis.Redis, kind: str) -> int:
    names = list(bare.scan_iter(f"djust:{{*}}:{kind}", count=10_000))
    total = 0
    for start in range(0, len(names), BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for key in names[start : start + BATCH]:
                pipeline.memory_usage(key, samples=0)
            total += sum(pipeline.execute())
    return total


def _payload_bytes(bare: redis.Redis, count: int) -> float:
    layout = Layout("djust:")
    sizes = []
    for number in range(0, count, max(1, count // 1_000)):
        key = name(number).encode()
        sizes.append(bare.memory_usage(layout.shard(key).payload(key)))
    return sum(sizes) / len(sizes)
