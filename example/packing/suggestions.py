"""What people usually take along, and usually forget. Knows nothing of the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

GROUPS = ("Clothes", "Washbag", "Papers", "Gear", "Other")
KINDS = {"city": "City break", "beach": "Beach", "hike": "Hiking", "work": "Work trip"}
WEATHERS = {"mild": "Mild", "hot": "Hot", "cold": "Cold", "wet": "Wet"}
EXTRAS = {
    "swim": "Swimming",
    "dinner": "Dressing up",
    "child": "A small child",
    "camera": "Taking pictures",
    "run": "Running",
}

#: Nights after which people wash what they wear, and those who take everything along stop counting.
WASH_AFTER, MOST = 4, 10


class Suggestion(NamedTuple):
    """One thing for the list."""

    group: str
    name: str
    quantity: int


#: Group, name, and how many: a number, or "nights" for one each.
_Entry = tuple[str, str, int | str]

_ALWAYS: tuple[_Entry, ...] = (
    ("Clothes", "Underwear", "nights"),
    ("Clothes", "Socks", "nights"),
    ("Clothes", "T-shirts", "nights"),
    ("Washbag", "Toothbrush", 1),
    ("Washbag", "Medicine", 1),
    ("Papers", "Passport", 1),
    ("Papers", "Tickets", 1),
    ("Gear", "Phone charger", 1),
)
_BY_KIND: dict[str, tuple[_Entry, ...]] = {
    "city": (("Clothes", "Comfortable shoes", 1), ("Gear", "Day bag", 1), ("Papers", "Museum card", 1)),
    "beach": (("Clothes", "Swimsuit", 2), ("Gear", "Towel", 1), ("Other", "A good book", 1)),
    "hike": (("Clothes", "Hiking boots", 1), ("Gear", "Water bottle", 2), ("Gear", "Map", 1), ("Gear", "Plasters", 5)),
    "work": (("Clothes", "Shirts", "nights"), ("Gear", "Laptop", 1), ("Papers", "Business cards", 20)),
}
_BY_WEATHER: dict[str, tuple[_Entry, ...]] = {
    "mild": (("Clothes", "Jacket", 1),),
    "hot": (("Washbag", "Sunscreen", 1), ("Other", "Sunglasses", 1), ("Clothes", "Sun hat", 1)),
    "cold": (("Clothes", "Warm coat", 1), ("Clothes", "Gloves", 1), ("Clothes", "Woolly hat", 1)),
    "wet": (("Clothes", "Rain jacket", 1), ("Gear", "Umbrella", 1)),
}
_BY_EXTRA: dict[str, tuple[_Entry, ...]] = {
    "swim": (("Clothes", "Swimsuit", 1), ("Gear", "Goggles", 1)),
    "dinner": (("Clothes", "Something smart", 1), ("Clothes", "Good shoes", 1)),
    "child": (("Other", "Picture books", 2), ("Other", "The soft rabbit", 1), ("Washbag", "Wet wipes", 1)),
    "camera": (("Gear", "Camera", 1), ("Gear", "Memory cards", 2)),
    "run": (("Clothes", "Running shoes", 1), ("Clothes", "Running shorts", 1)),
}


def suggest(
    kind: str, nights: int, *, weather: str = "mild", extras: Collection[str] = (), washes: bool = False
) -> list[Suggestion]:
    """Return what to take along, in the order of the groups and each thing once.

    Args:
        kind: One of ``KINDS``.
        nights: How long.
        weather: One of ``WEATHERS``.
        extras: Some of ``EXTRAS``.
        washes: Whether clothes are washed on the way.
    """
    worn = min(nights, WASH_AFTER if washes else MOST)
    found: dict[str, Suggestion] = {}
    for group, name, count in _entries(kind, weather, extras):
        found.setdefault(name, Suggestion(group, name, worn if count == "nights" else int(count)))
    if washes:
        found["Washing powder"] = Suggestion("Washbag", "Washing powder", 1)
    return sorted(found.values(), key=lambda suggestion: GROUPS.index(suggestion.group))


def _entries(kind: str, weather: str, extras: Collection[str]) -> Iterator[_Entry]:
    yield from _ALWAYS
    yield from _BY_KIND[kind]
    yield from _BY_WEATHER[weather]
    for extra in EXTRAS:
        if extra in extras:
            yield from _BY_EXTRA[extra]
