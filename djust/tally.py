"""Counts lost sessions by server, cause and kind while they are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from djust.state_backend.base import StateBackend
from djust.state_backend.records import GoneSession


@dataclass(slots=True)
class Losses:
    """Sessions lost on one server for one cause."""

    node: str
    cause: str
    sessions: int = 0
    #: Nobody knows the names: the number is that of the last look before.
    estimated: bool = False
    #: The owners of those whose names are known.
    owners: set[str] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)


class LossTally:
    """All that one run found.

    Args:
        backend: Whose sessions they are.
        keep: Called with what has been counted so far, before the store is told that it was reported. Returns whether
            it is kept.
    """

    def __init__(self, backend: StateBackend, keep: Callable[[LossTally], bool] = lambda tally: True) -> None:
        self._monitor = backend.monitor
        self._keep = keep
        self._found: dict[tuple[str, str, bool], Losses] = {}

    def add(self, session: GoneSession) -> None:
        """Count a session that was lost."""
        node = self._monitor.node_of(session.key) if self._monitor else ""
        losses = self._losses(node, session.cause)
        losses.sessions += 1
        if session.owner is not None:
            losses.owners.add(session.owner)
        losses.labels[session.label or ""] += 1

    def add_nameless(self, node: str, sessions: int) -> None:
        """Count evicted sessions whose names found no room."""
        self._losses(node, "evicted").sessions += sessions

    def add_estimate(self, node: str, cause: str, sessions: int) -> None:
        """Count sessions of which only the number of the last look is known."""
        self._losses(node, cause, estimated=True).sessions += sessions

    def keep(self) -> bool:
        """Let what was counted be kept, and return whether it is."""
        return not self._found or self._keep(self)

    @property
    def found(self) -> list[Losses]:
        """What was counted, by server and cause."""
        return list(self._found.values())

    @property
    def sessions(self) -> int:
        """How many in all."""
        return sum(losses.sessions for losses in self._found.values())

    def _losses(self, node: str, cause: str, *, estimated: bool = False) -> Losses:
        return self._found.setdefault((node, cause, estimated), Losses(node, cause, estimated=estimated))
