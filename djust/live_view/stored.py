"""What lies in the store for one page: the state of its view, and what the runtime needs to go on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from djust.live_view.attributes import RUNTIME_KEY

#: How many clients of one page are remembered by the number of their last event. A page has more than one where a
#: browser duplicated a tab.
MAX_CLIENTS = 8


@dataclass(slots=True, kw_only=True)
class PageRecord:
    """All about a page but the state of its view."""

    #: See ``attributes.shape_of``.
    shape: str
    #: Path and query of the page.
    uri: str
    #: The number of the last event of each client.
    seen: dict[str, int] = field(default_factory=dict)
    topics: list[str] = field(default_factory=list)
    #: The messages that the page shows until its next event.
    messages: list[list[Any]] = field(default_factory=list)
    #: The last event whose answer brought more than a rendering: client, number, and what it brought.
    answer: list[Any] | None = None
    #: What the forms of the page show as their CSRF token.
    csrf: str | None = None
    #: See ``surroundings``.
    language: str | None = None
    timezone: str | int | None = None
    prefix: str = "/"
    urlconf: str | None = None

    def has_seen(self, client: str, number: int) -> bool:
        """Whether an event was handled before."""
        return number <= self.seen.get(client, 0)

    def missed(self, client: str, acknowledged: int | None) -> dict[str, Any]:
        """Return what the answer to a client's last event brought besides its rendering, if the client never got it.

        Args:
            client: The client.
            acknowledged: The number of the last event whose answer it got; ``None``: it does not say.
        """
        if self.answer is None or acknowledged is None:
            return {}
        whose, number, brought = self.answer
        return dict(brought) if whose == client and number > acknowledged else {}

    def note(self, client: str, number: int, update: Mapping[str, Any] | None = None) -> None:
        """Remember the number of a client's last event, and what its answer brings besides a rendering."""
        brought = {name: update[name] for name in ("events", "nav") if name in update} if update else {}
        self.answer = [client, number, brought] if brought else None
        # The client that was quiet for longest is forgotten first.
        self.seen.pop(client, None)
        self.seen[client] = number
        while len(self.seen) > MAX_CLIENTS:
            del self.seen[next(iter(self.seen))]


def pack(attributes: Mapping[str, Any], record: PageRecord) -> dict[str, Any]:
    """Return what is stored. What says nothing is left out."""
    runtime = {name: getattr(record, name) for name in PageRecord.__slots__}
    runtime["seen"] = dict(record.seen)
    return {**attributes, RUNTIME_KEY: {name: value for name, value in runtime.items() if value}}


def unpack(state: Mapping[str, Any]) -> PageRecord | None:
    """Return the record of a stored page, or ``None`` if it is no page or one of another release."""
    stored = state.get(RUNTIME_KEY)
    if not isinstance(stored, dict):
        return None
    known = {name: stored[name] for name in PageRecord.__slots__ if name in stored}
    return PageRecord(**known) if {"shape", "uri"} <= known.keys() else None
