"""What simulated visitors meet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """What happened so far."""

    #: Who came.
    visitors: int = 0
    #: Pages that were opened, trips that were planned, and events that a server acknowledged.
    pages: int = 0
    trips: int = 0
    changes: int = 0
    #: How often somebody saw at once what a friend had changed.
    seen: int = 0
    #: How often a server ended under a visitor, how often they could go on where they were, and how often something
    #: was missing then that a server had acknowledged.
    cut_off: int = 0
    carried_on: int = 0
    let_down: int = 0
    #: How often somebody who had lost the connection came back: in time, and all was as they had left it; too late,
    #: and the page was over, as it should be; in time, and the page was gone all the same.
    came_back: int = 0
    found_as_left: int = 0
    found_expired: int = 0
    found_lost: int = 0
    #: Pages that should have been there and were not, whenever that was noticed; and those that were not as they were.
    lost: int = 0
    changed: int = 0
    #: Visitors who could not go on for another reason.
    errors: int = 0


class WrongAnswer(Exception):
    """The site answered with something that a visitor cannot use."""


class NothingLeft(Exception):
    """The page that the visitor has open is over."""
