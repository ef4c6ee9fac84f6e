"""Counts lost sessions by server, cause and kind while they are reported."""

from __future__ import annotations

from collections import Counter
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
    owners: set[str] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)


class LossTally:
    """All that one run found.

    Args:
        backend: Whose sessions they are.
    """

    def __init__(self, backend: StateBackend) -> None:
        self._monitor = backend.monitor
        self._found: dict[tuple[str, str], Losses] = {}

    def add(self, session: GoneSession) -> None:
        """Count a session that was lost."""
        node = self._monitor.node_of(session.key) if self._monitor else ""
        losses = self._found.setdefault((node, session.cause), Losses(node, session.cause))
        losses.sessions += 1
        if session.owner is not None:
            losses.owners.add(session.owner)
        losses.labels[session.label or ""] += 1

    def add_estimate(self, node: str, cause: str, sessions: int) -> None:
        """Count sessions of which nobody knows the names."""
        losses = self._found.setdefault((node, cause), Losses(node, cause, estimated=True))
        losses.sessions += sessions
        losses.estimated = True

    @property
    def found(self) -> list[Losses]:
        """What was counted, by server and cause."""
        return list(self._found.values())

    @property
    def sessions(self) -> int:
        """How many in all."""
        return sum(losses.sessions for losses in self._found.values())
