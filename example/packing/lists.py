"""A packing list as plain data, and what one can do with it. Knows nothing of HTTP or of where it is kept.

A list is a dict: ``destination``, ``kind``, ``nights``, ``leaving`` (a date or None), ``started_at`` and ``items``,
each of which has ``id``, ``name``, ``group``, ``quantity`` and ``packed``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

GROUPS = ("Clothes", "Washbag", "Papers", "Gear", "Other")

KINDS = {"city": "City break", "beach": "Beach", "hike": "Hiking", "work": "Work trip"}

#: Group, name, and how many for this many nights: a number, or "nights" for one each.
Suggestion = tuple[str, str, int | str]

_ALWAYS: tuple[Suggestion, ...] = (
    ("Clothes", "Underwear", "nights"),
    ("Clothes", "Socks", "nights"),
    ("Clothes", "T-shirts", "nights"),
    ("Washbag", "Toothbrush", 1),
    ("Washbag", "Sunscreen", 1),
    ("Papers", "Passport", 1),
    ("Papers", "Tickets", 1),
    ("Gear", "Phone charger", 1),
)

_BY_KIND: dict[str, tuple[Suggestion, ...]] = {
    "city": (("Clothes", "Comfortable shoes", 1), ("Gear", "Umbrella", 1), ("Papers", "Museum card", 1)),
    "beach": (("Clothes", "Swimsuit", 2), ("Gear", "Towel", 1), ("Other", "A good book", 1)),
    "hike": (("Clothes", "Rain jacket", 1), ("Gear", "Water bottle", 2), ("Gear", "Map", 1), ("Gear", "Plasters", 5)),
    "work": (("Clothes", "Shirts", "nights"), ("Gear", "Laptop", 1), ("Papers", "Business cards", 20)),
}

MAX_ITEMS = 200
MAX_PER_ITEM = 8


def new_list(destination: str, kind: str, nights: int, leaving: date | None = None) -> dict[str, Any]:
    """Return a list with what one usually takes along."""
    return {
        "destination": destination,
        "kind": kind,
        "nights": nights,
        "leaving": leaving,
        "started_at": datetime.now(UTC),
        "items": [
            _item(name, group, min(nights, MAX_PER_ITEM) if count == "nights" else int(count))
            for group, name, count in (*_ALWAYS, *_BY_KIND[kind])
        ],
    }


def add_item(state: dict[str, Any], name: str, group: str) -> bool:
    """Put one more thing on the list; return False when the list is full."""
    if len(state["items"]) >= MAX_ITEMS:
        return False
    state["items"].append(_item(name, group, 1))
    return True


def set_packed(state: dict[str, Any], item_id: str, *, packed: bool) -> bool:
    """Tick a thing or take the tick away; return False when it is not on the list."""
    for item in state["items"]:
        if item["id"] == item_id:
            item["packed"] = packed
            return True
    return False


def remove_item(state: dict[str, Any], item_id: str) -> bool:
    """Take a thing off the list; return False when it is not on it."""
    kept = [item for item in state["items"] if item["id"] != item_id]
    found = len(kept) < len(state["items"])
    state["items"] = kept
    return found


def grouped(state: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the groups that have items, in their usual order."""
    groups = ((group, [item for item in state["items"] if item["group"] == group]) for group in GROUPS)
    return [(group, items) for group, items in groups if items]


def progress(items: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Return how many things are packed, and how many there are."""
    packed = [item["packed"] for item in items]
    return sum(packed), len(packed)


def _item(name: str, group: str, quantity: int) -> dict[str, Any]:
    return {"id": secrets.token_hex(4), "name": name, "group": group, "quantity": quantity, "packed": False}
