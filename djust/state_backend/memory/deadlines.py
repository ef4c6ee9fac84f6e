"""Which session is due next."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Protocol

#: The deadline of a session that has none.
NEVER = 2**63

_SPARE_ENTRIES = 1_000
_MOVED_AT_ONCE = 4

#: Deadline in milliseconds, incarnation, key.
_Entry = tuple[int, int, str]


class Scheduled(Protocol):
    """What the index knows about a session."""

    #: Different for every session that ever used the key.
    born: int
    #: In milliseconds since the epoch.
    deadline: int
    #: The deadline of the one entry that stands for this session; written by the index alone.
    scheduled: int


class Deadlines:
    """A heap of entries, some of them out of date. Not safe for threads: ``Table`` holds its lock around every call.

    A deadline that moves away, as most do, leaves its entry where it is: the entry is put right when its turn comes.
    Only a deadline that comes nearer needs a new one. Entries of sessions that were deleted stay behind, so once they
    outnumber the others every call moves a few current ones over to a fresh heap, and no call pays for all of them.
    """

    def __init__(self, sessions: Mapping[str, Scheduled]) -> None:
        self._sessions = sessions
        self._heap: list[_Entry] = []
        self._outgrown: list[_Entry] = []

    def __len__(self) -> int:
        return len(self._heap) + len(self._outgrown)

    def schedule(self, key: str, session: Scheduled) -> None:
        """Make sure that ``session`` is looked at when its deadline comes."""
        if session.deadline < session.scheduled:
            session.scheduled = session.deadline
            heappush(self._heap, (session.deadline, session.born, key))
        self.compact()

    def pop_due(self, now: int) -> str | None:
        """Take out the entry that has been due for longest and return its key; ``None`` when none is due.

        The session may turn out to be alive, then it must be scheduled again, or be another one by now.
        """
        heap = self._heap
        if self._outgrown and (not heap or self._outgrown[0] < heap[0]):
            heap = self._outgrown
        if not heap or heap[0][0] > now:
            return None
        entry = heappop(heap)
        if self._is_current(entry):
            self._sessions[entry[2]].scheduled = NEVER
        return entry[2]

    def compact(self) -> None:
        """Do a little of what keeps the number of entries within twice the number of sessions."""
        if not self._outgrown:
            if len(self._heap) <= 2 * len(self._sessions) + _SPARE_ENTRIES:
                return
            self._outgrown, self._heap = self._heap, []
        for _ in range(min(_MOVED_AT_ONCE, len(self._outgrown))):
            entry = self._outgrown.pop()  # The last leaf: what is left is still a heap.
            if self._is_current(entry):
                heappush(self._heap, entry)

    def _is_current(self, entry: _Entry) -> bool:
        session = self._sessions.get(entry[2])
        return session is not None and session.born == entry[1] and session.scheduled == entry[0]
