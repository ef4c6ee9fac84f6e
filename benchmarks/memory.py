"""The memory backend against a plain dict of bytes."""

from __future__ import annotations

from typing import Any

from benchmarks.report import each, heading, in_turns, rates, title
from benchmarks.sessions import LABEL, name, owner, typical_state
from djust.codec import Codec
from djust.conf import Config
from djust.state_backend import InMemoryStateBackend
from tests.servers.redis_server import RedisServer

COUNT = 5_000
ROUNDS = 15
STATE = typical_state()
PAYLOAD = Codec.from_config(Config()).encode(STATE)


class NoCodec(Codec):
    """Costs nothing, so that what remains is the backend."""

    def encode(self, state: dict[str, Any]) -> bytes:
        return PAYLOAD

    def decode(self, body: bytes) -> dict[str, Any]:
        return STATE


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    config = Config()
    title("The memory backend against a plain dict of bytes")
    heading()
    limits = {"warn_bytes": config.state_warn_bytes, "max_bytes": config.state_max_bytes}
    for what, codec in (
        ("codec on both sides", Codec.from_config(config)),
        ("without a codec", NoCodec(**limits, compress_bytes=config.state_compress_bytes)),
    ):
        _compare(what, codec, 5 if quick else ROUNDS)


def _compare(what: str, codec: Codec, rounds: int) -> None:
    backend = InMemoryStateBackend(codec=codec)
    plain: dict[str, bytes] = {}
    names = [name(n) for n in range(COUNT)]

    def plain_set(key: str) -> None:
        plain[key] = codec.encode(STATE)

    found = in_turns(
        rounds,
        {
            "plain set": each(names, plain_set),
            "set": each(enumerate(names), lambda at: backend.set(at[1], STATE, owner=owner(at[0]), label=LABEL)),
            "plain get": each(names, lambda key: codec.decode(plain[key])),
            "get": each(names, backend.get),
        },
    )
    for method in ("set", "get"):
        rates(f"{method}, {what}", found, method, f"plain {method}")
    backend.close()
