"""Sessions to measure with."""

from __future__ import annotations

import asyncio
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


async def fill(backend: RedisStateBackend, count: int, state: dict[str, Any], label: str | None = LABEL) -> None:
    """Store ``count`` sessions that do not expire meanwhile."""
    for start in range(0, count, 1_000):
        numbers = range(start, min(count, start + 1_000))
        await asyncio.gather(*(backend.aset(name(n), state, ttl=86_400, owner=owner(n), label=label) for n in numbers))
    await backend.aclose()


async def let_expire(backend: RedisStateBackend, count: int) -> None:
    """Make all of them due, without a write that could report some."""
    for start in range(0, count, 1_000):
        await asyncio.gather(*(backend.atouch(name(n), 0.5) for n in range(start, min(count, start + 1_000))))
    while backend.count_due() < count:
        await asyncio.sleep(0.05)
    await backend.aclose()
