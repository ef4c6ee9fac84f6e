"""Sessions to measure with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from djust.state_backend import RedisStateBackend

LABEL = "shop.views.Cart"
BATCH = 1_000


def typical_state() -> dict[str, Any]:
    """Return a state of about 500 bytes, as a page with a list and a form has it."""
    items = [{"id": n, "name": f"product number {n}", "count": n % 5, "price": n * 3.5} for n in range(9)]
    return {"items": items, "page": 2, "query": "shoes", "sort": "price", "open": True, "user": "someone"}


def name(number: int) -> str:
    """Return a key of 32 characters."""
    return f"{number:032x}"


def owner(number: int) -> str:
    """Return an owner; each has ten sessions."""
    return str(100_000 + number // 10)


async def fill(
    backend: RedisStateBackend, count: int, state_of: Callable[[int], dict[str, Any]], *, first: int = 0
) -> None:
    """Store sessions that do not expire meanwhile, up to the number ``count``."""
    for start in range(first, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        await asyncio.gather(*(backend.aset(name(n), state_of(n), ttl=86_400, owner=owner(n)) for n in numbers))
    await backend.aclose()


def make_due(backend: RedisStateBackend, count: int, state: dict[str, Any]) -> None:
    """Store sessions and return when all of them are due.

    They get their last deadline by touches, since writes would report some, and all get the same one, so that Redis's
    own expiry has freed next to none of the payloads when the clean-up starts.
    """
    started = time.monotonic()
    asyncio.run(fill(backend, count, lambda _: state))
    # A touch takes less than a write.
    deadline = 2 * time.monotonic() - started + 1
    asyncio.run(_touch_all(backend, count, lambda: deadline - time.monotonic()))
    time.sleep(max(0.0, deadline - time.monotonic()))
    while backend.count_due() < count:
        time.sleep(0.01)


async def _touch_all(backend: RedisStateBackend, count: int, ttl: Callable[[], float]) -> None:
    for start in range(0, count, BATCH):
        await asyncio.gather(*(backend.atouch(name(n), ttl()) for n in range(start, min(count, start + BATCH))))
    await backend.aclose()
