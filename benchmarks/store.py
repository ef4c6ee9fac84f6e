"""Reads and writes, one at a time and many at once, against bare redis-py; and where their time goes."""

from __future__ import annotations

import asyncio

import redis

from benchmarks.report import WIDTH, each, heading, in_turns, per_second, rates, title
from benchmarks.sessions import LABEL, name, owner, typical_state
from djust.codec import Codec
from djust.conf import Config
from djust.state_backend import RedisStateBackend
from tests.servers.redis_server import RedisServer

COUNT = 1_000
ROUNDS = 21
TOGETHER = 500
TTL = 3600


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    rounds = 5 if quick else ROUNDS
    codec = Codec.from_config(Config())
    payload = codec.encode(typical_state())
    backend = RedisStateBackend(server.url, TTL)
    with server.client() as bare:
        title(f"The Redis backend, one connection, a state of {len(payload)} bytes, codec included")
        heading()
        _one_by_one(backend, bare, payload, rounds)
        _together(backend, bare, payload, rounds)
        title("Where the time goes, in microseconds")
        _inside(codec, backend, bare, payload, rounds)
    backend.close()


def _one_by_one(backend: RedisStateBackend, bare: redis.Redis, payload: bytes, rounds: int) -> None:
    state = typical_state()
    numbers = range(COUNT)
    bare_set = each(numbers, lambda n: bare.set(f"x:{name(n)}", payload, ex=TTL))
    new_set = each(numbers, lambda n: backend.set(name(n), state, owner=owner(n), label=LABEL))

    def on_empty_server() -> float:
        bare.flushall()
        return bare_set()

    found = in_turns(
        rounds,
        {
            "bare new": on_empty_server,
            "new": new_set,
            "bare set": bare_set,
            "set": new_set,
            "bare get": each(numbers, lambda n: bare.get(f"x:{name(n)}")),
            "get": each(numbers, lambda n: backend.get(name(n))),
            "bare expire": each(numbers, lambda n: bare.expire(f"x:{name(n)}", TTL)),
            "touch": each(numbers, lambda n: backend.touch(name(n))),
        },
    )
    rates("set, a new session / SET EX, a new key", found, "new", "bare new", "0.75")
    rates("set, over an old one / SET EX, over an old one", found, "set", "bare set", "0.75")
    rates("get / GET", found, "get", "bare get", "0.92")
    rates("touch / EXPIRE", found, "touch", "bare expire")


def _together(backend: RedisStateBackend, bare: redis.Redis, payload: bytes, rounds: int) -> None:
    state = typical_state()
    numbers = range(TOGETHER)

    async def together() -> None:
        await asyncio.gather(*(backend.aset(name(n), state, owner=owner(n), label=LABEL) for n in numbers))

    def pipelined() -> None:
        with bare.pipeline(transaction=False) as pipeline:
            for n in numbers:
                pipeline.set(f"x:{name(n)}", payload, ex=TTL)
            pipeline.execute()

    with asyncio.Runner() as runner:
        runner.run(together())
        found = in_turns(
            rounds,
            {
                "together": lambda: per_second(TOGETHER, lambda: runner.run(together())),
                "one by one": each(numbers, lambda n: backend.set(name(n), state, owner=owner(n), label=LABEL)),
                "pipelined": lambda: per_second(TOGETHER, pipelined),
            },
        )
        runner.run(backend.aclose())
    rates(f"{TOGETHER} aset at once / set one by one", found, "together", "one by one", "4")
    rates(f"{TOGETHER} aset at once / one pipeline of SET EX", found, "together", "pipelined")


def _inside(codec: Codec, backend: RedisStateBackend, bare: redis.Redis, payload: bytes, rounds: int) -> None:
    """What Redis itself spends on each command, and what the codec takes."""
    state, numbers = typical_state(), range(COUNT)
    found = in_turns(
        rounds,
        {
            "encode": each(numbers, lambda _: codec.encode(state)),
            "decode": each(numbers, lambda _: codec.decode(payload)),
        },
    )
    spent = {
        "the codec, encode": 1e6 / found.median("encode"),
        "the codec, decode": 1e6 / found.median("decode"),
        "Redis, SET EX": _server_time(bare, "set", each(numbers, lambda n: bare.set(f"x:{name(n)}", payload, ex=TTL))),
        "Redis, the script of a set": _server_time(
            bare, "evalsha", each(numbers, lambda n: backend.set(name(n), state, owner=owner(n), label=LABEL))
        ),
        "Redis, the script of a touch": _server_time(bare, "evalsha", each(numbers, lambda n: backend.touch(name(n)))),
    }
    for what, microseconds in spent.items():
        print(f"{what:<{WIDTH}}{microseconds:>14.1f}")


def _server_time(bare: redis.Redis, command: str, work: object) -> float:
    assert callable(work)
    bare.config_resetstat()
    work()
    return float(bare.info("commandstats")[f"cmdstat_{command}"]["usec_per_call"])
