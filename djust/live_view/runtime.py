"""What the runtime keeps with a view."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

#: A path of this site: one slash, which no second one and no backslash follows. Browsers take either for a host's.
IS_PATH = re.compile(r"/(?![/\\])")


class Navigation(NamedTuple):
    """Where a handler sends its page."""

    #: ``"patch"`` stays on the view, ``"redirect"`` goes to another page.
    kind: str
    #: Path and query.
    url: str
    #: Whether the entry in the browser's history is replaced.
    replace: bool


class Runtime:
    """Of one view: how it was configured, where it listens, and what its next update takes to the browser."""

    __slots__ = ("configuration", "navigation", "pushed", "topics")

    def __init__(self, configuration: frozenset[str]) -> None:
        #: The names of what ``as_view`` was given.
        self.configuration = configuration
        self.topics: set[str] = set()
        self.navigation: Navigation | None = None
        self.pushed: list[list[Any]] = []

    def take_navigation(self) -> Navigation | None:
        """Return, and forget, where the view goes."""
        navigation, self.navigation = self.navigation, None
        return navigation

    def take_pushed(self) -> list[list[Any]]:
        """Return, and forget, the events for the browser."""
        pushed, self.pushed = self.pushed, []
        return pushed


def path_of(view_class: type) -> str:
    """Return the dotted path of a view class: the label of its sessions."""
    return f"{view_class.__module__}.{view_class.__qualname__}"
