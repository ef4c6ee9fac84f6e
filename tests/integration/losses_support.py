"""Sessions to lose, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from djust.signals import session_evicted, session_expired
from djust.state_backend import RedisStateBackend


@contextmanager
def told() -> Iterator[list[dict[str, Any]]]:
    """Collect what the two signals tell."""
    heard: list[dict[str, Any]] = []

    def hear(**facts: Any) -> None:
        heard.append(facts)

    session_evicted.connect(hear)
    session_expired.connect(hear)
    try:
        yield heard
    finally:
        session_evicted.disconnect(hear)
        session_expired.disconnect(hear)


def fill(backend: RedisStateBackend, count: int, *, start: int = 0, ttl: float | None = None) -> set[str]:
    """Save sessions and return their keys."""
    keys = {f"session-{number}" for number in range(start, start + count)}
    for key in keys:
        backend.set(key, {"text": "x" * 200}, ttl, owner="ann", label="shop.views.Cart")
    return keys


def gone(backend: RedisStateBackend, keys: set[str]) -> set[str]:
    """Return the keys whose session is gone, by asking for each."""
    return {key for key in keys if backend.get(key) is None}
