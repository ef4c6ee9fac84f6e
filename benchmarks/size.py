"""Bytes of a session over a bare key with the same state, itemised by what Redis uses with and without each part."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import redis

from benchmarks.report import title
from benchmarks.sessions import fill, name, typical_state
from djust.codec import Codec
from djust.conf import Config
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout, parse_header
from tests.servers.redis_server import RedisServer

COUNT = 100_000
BATCH = 1_000
AIM = 420


def state_of(number: int) -> dict[str, Any]:
    """Return states of different sizes: the memory of one is rounded up, so that one size alone would mislead."""
    return {**typical_state(), "query": "x" * (number % 128)}


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    count = COUNT // 10 if quick else COUNT
    backend = RedisStateBackend(server.url)
    title(f"Bytes of a session, {count:,} sessions, keys of 32 characters, owners with 10 sessions each")
    with server.client() as bare:
        asyncio.run(fill(backend, BATCH, state_of))  # The server knows the scripts from here on.
        bare.flushall()
        empty = _used(bare)
        asyncio.run(fill(backend, count, state_of))
        whole = _used(bare) - empty
        payloads = _payloads(bare, count)
        before = _used(bare)
        parts = {what: before - (before := _without(bare, kind)) for what, kind in PARTS.items()}
        codec = Codec.from_config(Config())
        bodies = [(name(n).encode(), codec.encode(state_of(n))) for n in range(count)]
        plain = _stored(bare, bodies)
        renamed = _stored(bare, [(key, body) for (key, _), (_, body) in zip(payloads, bodies, strict=True)])
        headed = _stored(bare, payloads)
        expiring = _stored(bare, payloads, expire=86_400)
        header = sum(parse_header(payload).body_offset for _, payload in payloads)
        assert header == sum(len(payload) for _, payload in payloads) - sum(len(body) for _, body in bodies)
        bare.flushall()
    backend.close()
    items = {
        f"the payload's longer name, {len(payloads[0][0])} bytes": renamed - plain,
        f"its header, {header / count:.0f} bytes": headed - renamed,
        "its expiry": expiring - headed,
        **parts,
    }
    items["the rest: counters, and room to grow"] = whole - plain - sum(items.values())
    _line("a session", whole / count)
    _line("a bare key, SET without a TTL", plain / count)
    _line("over a bare key", (whole - plain) / count, f"aim: at most {AIM}")
    for what, size in items.items():
        _line(f"  {what}", size / count)


#: What is taken away, one after the other, and the end of the keys' names.
PARTS = {
    "the entry by deadline, which also says who it was": "due",
    "the entry by last activity": "act",
    "the entry in the owner index": "o:*",
}


def _line(what: str, size: float, aim: str = "") -> None:
    print(f"{what:<58}{size:>14.0f}   {aim}".rstrip())


def _used(bare: redis.Redis) -> int:
    """Return what Redis uses once its tables are as large as they will be."""
    seen = [0]
    while len(seen) < 4 or len(set(seen[-3:])) > 1:
        time.sleep(0.2)
        found = bare.info("memory")
        seen.append(int(found["used_memory"]) - int(found.get("mem_clients_normal", 0)))
    return seen[-1]


def _without(bare: redis.Redis, kind: str) -> int:
    names = list(bare.scan_iter(f"djust:{{*}}:{kind}", count=10_000))
    for start in range(0, len(names), BATCH):
        bare.delete(*names[start : start + BATCH])
    return _used(bare)


def _payloads(bare: redis.Redis, count: int) -> list[tuple[bytes, bytes]]:
    layout = Layout("djust:")
    names = [layout.shard(key).payload(key) for key in (name(n).encode() for n in range(count))]
    return [
        (key, value)
        for start in range(0, count, BATCH)
        for key, value in zip(names[start : start + BATCH], bare.mget(names[start : start + BATCH]), strict=True)
    ]


def _stored(bare: redis.Redis, items: Sequence[tuple[bytes, bytes]], expire: int | None = None) -> int:
    """Store plain keys, and return what they take."""
    bare.flushall()
    empty = _used(bare)
    for start in range(0, len(items), BATCH):
        with bare.pipeline(transaction=False) as pipeline:
            for key, value in items[start : start + BATCH]:
                pipeline.set(key, value, ex=expire)
            pipeline.execute()
    return _used(bare) - empty
