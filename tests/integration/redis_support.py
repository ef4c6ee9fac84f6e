"""What the tests of the Redis backend share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from djust.signals import session_evicted, session_expired
from djust.state_backend.redis.layout import Layout


class Heard:
    """What the signals said, in order."""

    def __init__(self) -> None:
        self.expired: list[dict[str, Any]] = []
        self.evicted: list[dict[str, Any]] = []

    def keys(self) -> list[str]:
        """Return the keys of all reports."""
        return [report["key"] for report in [*self.expired, *self.evicted]]


@contextmanager
def hearing() -> Iterator[Heard]:
    """Listen to both signals."""
    heard = Heard()

    def on_expired(**report: Any) -> None:
        heard.expired.append(report)

    def on_evicted(**report: Any) -> None:
        heard.evicted.append(report)

    session_expired.connect(on_expired)
    session_evicted.connect(on_evicted)
    try:
        yield heard
    finally:
        session_expired.disconnect(on_expired)
        session_evicted.disconnect(on_evicted)


def payload_name(prefix: str, key: str) -> bytes:
    """Return the name of a session's payload in Redis."""
    name = key.encode()
    return Layout(prefix).shard(name).payload(name)


def names(client: Any, prefix: str, kind: str) -> list[bytes]:
    """Return the keys of one kind in all shards, e.g. ``"due"``."""
    return list(client.scan_iter(f"{prefix}{{*}}:{kind}", count=1000))


def calls_of(client: Any, work: Callable[[], Any]) -> dict[str, int]:
    """Return how often each command was called while ``work`` ran, as the server counted it."""
    client.config_resetstat()
    work()
    stats = client.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): entry["calls"]
        for name, entry in stats.items()
        if name.removeprefix("cmdstat_") not in ("config|resetstat", "config", "info")
    }


def dump(client: Any, prefix: str) -> dict[bytes, Any]:
    """Return everything under a prefix, to compare."""
    return {name: client.dump(name) for name in client.scan_iter(f"{prefix}*", count=1000)}
