"""Reads and writes against bare redis-py, and the memory backend against a plain dict."""

from __future__ import annotations

import asyncio

import redis

from benchmarks.report import heading, in_turns, per_second, rate, row, title
from benchmarks.sessions import LABEL, name, owner, typical_state
from djust.codec import Codec
from djust.conf import Config
from djust.state_backend import InMemoryStateBackend, RedisStateBackend
from tests.servers.redis_server import RedisServer

COUNT = 2_000
ROUNDS = 9
TOGETHER = 500


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    rounds = 3 if quick else ROUNDS
    state = typical_state()
    payload = Codec.from_config(Config()).encode(state)
    backend = RedisStateBackend(server.url)
    with server.client() as bare:
        title(f"One connection, a state of {len(payload)} bytes encoded, codec included")
        _one_by_one(backend, bare, payload, rounds)
        _together(backend, rounds)
        bare.flushall()
    backend.close()
    _memory(rounds)


def _one_by_one(backend: RedisStateBackend, bare: redis.Redis, payload: bytes, rounds: int) -> None:
    state = typical_state()
    numbers = range(COUNT)

    def create() -> float:
        backend.delete_all()
        return per_second(COUNT, lambda: [backend.set(name(n), state, owner=owner(n), label=LABEL) for n in numbers])

    def bare_set() -> float:
        return per_second(COUNT, lambda: [bare.set(f"x:{name(n)}", payload, ex=3600) for n in numbers])

    found = in_turns(
        rounds,
        {
            "bare set": bare_set,
            "create": create,
            "update": lambda: per_second(COUNT, lambda: [backend.set(name(n), state) for n in numbers]),
            "bare get": lambda: per_second(COUNT, lambda: [bare.get(f"x:{name(n)}") for n in numbers]),
            "get": lambda: per_second(COUNT, lambda: [backend.get(name(n)) for n in numbers]),
            "bare expire": lambda: per_second(COUNT, lambda: [bare.expire(f"x:{name(n)}", 3600) for n in numbers]),
            "touch": lambda: per_second(COUNT, lambda: [backend.touch(name(n)) for n in numbers]),
        },
    )
    heading()
    for what, ours, peer, aim in (
        ("set, a new session / SET EX", "create", "bare set", "0.75"),
        ("set, over an old one / SET EX", "update", "bare set", "0.75"),
        ("get / GET", "get", "bare get", "0.92"),
        ("touch / EXPIRE", "touch", "bare expire", ""),
    ):
        row(what, ours=rate(found[ours]), peer=rate(found[peer]), ratio=found[ours] / found[peer], aim=aim)


def _together(backend: RedisStateBackend, rounds: int) -> None:
    state = typical_state()

    async def together() -> None:
        await asyncio.gather(*(backend.aset(name(n), state) for n in range(TOGETHER)))

    with asyncio.Runner() as runner:
        runner.run(together())
        found = in_turns(
            rounds,
            {
                "together": lambda: per_second(TOGETHER, lambda: runner.run(together())),
                "one by one": lambda: per_second(
                    TOGETHER, lambda: [backend.set(name(n), state) for n in range(TOGETHER)]
                ),
            },
        )
        runner.run(backend.aclose())
    ours, peer = found["together"], found["one by one"]
    row(f"{TOGETHER} aset at once / set one by one", ours=rate(ours), peer=rate(peer), ratio=ours / peer, aim="4")


def _memory(rounds: int) -> None:
    state, codec = typical_state(), Codec.from_config(Config())
    backend = InMemoryStateBackend()
    plain: dict[str, bytes] = {}
    names = [name(n) for n in range(COUNT)]

    def plain_set() -> None:
        for key in names:
            plain[key] = codec.encode(state)

    def plain_get() -> None:
        for key in names:
            codec.decode(plain[key])

    title("The memory backend against a plain dict of bytes, codec on both sides")
    found = in_turns(
        rounds,
        {
            "plain set": lambda: per_second(COUNT, plain_set),
            "set": lambda: per_second(COUNT, lambda: [backend.set(key, state) for key in names]),
            "plain get": lambda: per_second(COUNT, plain_get),
            "get": lambda: per_second(COUNT, lambda: [backend.get(key) for key in names]),
        },
    )
    heading()
    for what in ("set", "get"):
        ours, peer = found[what], found[f"plain {what}"]
        row(what, ours=rate(ours), peer=rate(peer), ratio=ours / peer)
    backend.close()
