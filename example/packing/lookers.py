"""Who else looks at a list, as far as one page has heard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

#: Seconds after which somebody who is not heard of looks no longer. Pages tell twice in this time.
LOOKS_SECONDS = 50.0


class Lookers:
    """The other pages that show a list."""

    def __init__(self) -> None:
        #: By page: until when it counts, and who looks at it.
        self._pages: dict[str, tuple[float, str]] = {}

    def hear(self, message: Mapping[str, Any]) -> bool:
        """Take in what a page says of itself; return whether it wants an answer."""
        if message.get("leaves"):
            self._pages.pop(message["page"], None)
            return False
        self._pages[message["page"]] = time.monotonic() + LOOKS_SECONDS, message["who"]
        return bool(message.get("asks"))

    def others(self) -> str:
        """Return who looks, as in "Ada and 2 others"; empty for nobody."""
        now = time.monotonic()
        self._pages = {page: seen for page, seen in self._pages.items() if seen[0] > now}
        names = sorted({who for _, who in self._pages.values() if who})
        nameless = sum(not who for _, who in self._pages.values())
        if nameless:
            names.append(f"{nameless} other{'s' if nameless > 1 else ''}" if names else _people(nameless))
        return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _people(count: int) -> str:
    return "somebody else" if count == 1 else f"{count} others"
