"""Sessions to measure with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from djust.state_backend import RedisStateBackend

LABEL = "shop.views.Cart"


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


async def fill(backend: RedisStateBackend, count: int, state_of: Callable[[int], dict[str, Any]]) -> None:
    """Store ``count`` sessions that do not expire meanwhile."""
    for start in range(0, count, 1_000):
        numbers = range(start, min(count, start + 1_000))
        await asyncio.gather(*(backend.aset(name(n), state_of(n), ttl=86_400, owner=owner(n)) for n in numbers))
    await backend.aclose()


async def let_expire(backend: RedisStateBackend, count: int) -> None:
    """Give all of them half a second more, without a write that could report some."""
    for start in range(0, count, 1_000):
        await asyncio.gather(*(backend.atouch(name(n), 0.5) for n in range(start, min(count, start + 1_000))))
    await backend.aclose()


def make_due(backend: RedisStateBackend, count: int, state: dict[str, Any]) -> None:
    """Store sessions and return when all of them are due."""
    asyncio.run(fill(backend, count, lambda _: state))
    asyncio.run(let_expire(backend, count))
    while backend.count_due() < count:
        time.sleep(0.05)
