"""The contract of what watches a store that lives on servers of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from djust.state_backend.records import GoneSession


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What one server says about itself."""

    node: str
    #: The fields of INFO; empty if it may not be asked.
    fields: Mapping[str, Any]
    #: Why it said nothing.
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a look at a uniform sample of one server's sessions told. Margins are half-widths of 95 % intervals."""

    node: str
    sessions: int
    overdue: int
    #: Sessions looked at, those whose data is gone included.
    sampled: int
    #: ``None``: no session was found to measure, or the server does not let its memory be measured.
    bytes_per_session: float | None
    bytes_per_session_margin: float | None
    #: Sessions that the index knows and whose data is gone.
    lost_estimate: float | None
    lost_margin: float | None
    index_bytes: int | None
    #: Why sizes are ``None``.
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardLook:
    """What one part of the index looks like."""

    shard: int
    node: str
    #: The mark that the look before had left, ``None``: it is gone, or there was none.
    mark: str | None
    #: The mark that is there now: name, space, and the server's time in milliseconds. ``None``: there is no room.
    left: str | None
    sessions: int
    overdue: int
    #: An entry is older than the look before, so the index was not lost since. Without ``thorough`` it is only looked
    #: for where the mark is not the one that was left.
    has_older: bool
    #: The part of the index that tells deadlines has lost entries.
    incomplete: bool
    #: Live sessions whose time ends later than each of ``HORIZONS_SECONDS`` from now.
    ahead: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkStep:
    """One slice of the walk that looks for lost sessions."""

    checked: int
    lost: int
    #: Where to go on; ``None``: everything was looked at.
    cursor: str | None


#: Seconds ahead for which a look counts how many sessions live longer.
HORIZONS_SECONDS = (30, 60, 75, 90, 120, 180, 300, 600, 1800, 3600, 7200, 21_600, 86_400)


class LossWalk(ABC):
    """Looks for sessions whose data is gone before their time, and hands them out to be reported.

    Whoever claims a session owns its report. What was claimed counts as reported with the next call.
    """

    @abstractmethod
    def find_waiting(self) -> int:
        """Return how many sessions are over and wait to be claimed already."""

    @abstractmethod
    def step(self, cursor: str | None) -> WalkStep:
        """Look at one slice of the index; ``None`` begins."""

    @abstractmethod
    def claim(self, limit: int) -> Sequence[GoneSession]:
        """Return at most ``limit`` sessions to report, expired ones among them; empty when none is left."""

    @abstractmethod
    def nameless(self) -> Mapping[str, int]:
        """Return, and forget, how many sessions were lost on each server whose names found no room."""

    @abstractmethod
    def close(self) -> None:
        """Say that everything claimed was reported."""


class StoreMonitor(ABC):
    """Asks the servers behind a backend how they are."""

    #: Names the store: servers and prefix, without credentials.
    store: str

    @abstractmethod
    def server_info(self) -> Sequence[ServerInfo]:
        """Ask every primary for INFO."""

    @abstractmethod
    def measure(self, sample_size: int) -> Sequence[Measured]:
        """Measure a uniform sample of each primary's sessions, and its index."""

    @abstractmethod
    def look(
        self, mark: str, since_ms: int, left: Mapping[int, str], *, thorough: bool = False
    ) -> Sequence[ShardLook]:
        """Look at every part of the index and leave a mark in it, by which the next look sees whether it was lost.

        Args:
            mark: The mark to leave: a name without spaces. One that is there keeps its name and gets the new time.
            since_ms: When the look before was, in milliseconds by the server's clock.
            left: The names of the marks that the look before had left, by shard.
            thorough: Look for older entries also where the mark is the one that was left.
        """

    @abstractmethod
    def holds_older(self, shards: Sequence[int], since_ms: int) -> Sequence[int]:
        """Return those of these shards of which data older than ``since_ms`` is there that the index does not know.

        The search is bounded, so on a large server it may miss some.
        """

    @abstractmethod
    def open_walk(self, causes: Mapping[str, str]) -> LossWalk:
        """Begin or go on with a walk.

        Args:
            causes: Server: why what is lost there was lost, where that is known. Elsewhere the server is asked whether
                it has ever evicted.
        """

    @abstractmethod
    def now_ms(self) -> int:
        """Return the server's time in milliseconds."""

    @abstractmethod
    def node_of(self, key: str) -> str:
        """Return the server of a session's key."""
