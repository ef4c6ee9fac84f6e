"""The records that a state backend speaks in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from djust.log import hashed

#: Share of the time to live after which a touch is worth a round trip.
TOUCH_FRACTION = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SessionInfo:
    """What is known about a live session without reading its state."""

    key: str
    #: Whose session it is: a user's id as text, or ``None``.
    owner: str | None
    #: What kind it is: a LiveView's dotted path, or ``None``.
    label: str | None
    created_at: datetime
    last_active_at: datetime
    #: ``None``: never.
    expires_at: datetime | None

    def __repr__(self) -> str:
        return _described(self, [field.name for field in fields(self)])


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Session(SessionInfo):
    """A live session as it was at one moment. Changing ``state`` does not change what is stored."""

    state: dict[str, Any]
    #: Positive, different after every ``set``, never used again for this key.
    version: int
    #: The idle time to live; ``None``: it never idles out.
    ttl: timedelta | None

    def touch_due_at(self) -> datetime | None:
        """Return the moment from which a touch is worth it: a tenth of the TTL after the last one, or ``None``."""
        return None if self.ttl is None else self.last_active_at + self.ttl * TOUCH_FRACTION


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage:
    """Some live sessions, without their states."""

    sessions: Sequence[SessionInfo]
    #: Where the next page starts; ``None`` after the last one. It holds no key.
    cursor: str | None
    #: How many index entries were looked at to find them.
    looked_at: int


class GoneSession(NamedTuple):
    """A session that is over, as it is reported: once. Its fields are the arguments of its signal."""

    key: str
    owner: str | None
    label: str | None
    created_at: datetime
    #: ``None`` where nobody knows it any more: its key was used again before this session was reported.
    last_active_at: datetime | None
    #: ``"idle"`` or ``"max_age"`` for an expired session, ``"evicted"`` for one that was lost before its time.
    cause: str

    @property
    def expired(self) -> bool:
        """Whether its time had run out."""
        return self.cause in ("idle", "max_age")

    def __repr__(self) -> str:
        return _described(self, self._fields)


@dataclass(frozen=True, slots=True, repr=False)
class Notice:
    """What one process told the others, see ``StateBackend.publish``."""

    #: What it is about, see ``TOPICS`` for those of djust itself.
    topic: str
    #: Of ``ended``, the key of the session.
    message: bytes

    def __repr__(self) -> str:
        # A topic of the project's own may hold the name of a user.
        topic = self.topic if self.topic in TOPICS else hashed(self.topic)
        return f"{type(self).__name__}(topic={topic}, bytes={len(self.message)})"


#: A session was deleted; the message is its key.
ENDED = "ended"
#: ``delete_all`` ended whatever there was.
ENDED_ALL = "ended_all"
#: Not published: a listener begins to hear, or hears again after it may have missed something.
RESUBSCRIBED = "resubscribed"
TOPICS = (ENDED, ENDED_ALL, RESUBSCRIBED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """What one slice of a sweep did to the index."""

    #: Index entries looked at.
    scanned: int = 0
    #: Sessions taken out of the index, now waiting to be claimed.
    removed: int = 0
    #: Of ``scanned``: payloads that were gone already, freed by the store's own expiry.
    already_gone: int = 0
    #: Of ``scanned``: sessions that turned out to be alive, because they were renewed meanwhile.
    renewed: int = 0
    #: Nothing is due any more.
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is overdue and has not been reported yet."""

    sessions: int
    #: Seconds since the deadline of the longest overdue session; ``None`` without a backlog.
    oldest_overdue_seconds: float | None


#: What reconcile can find, and repair when it is named.
#: ``index_without_data``: an entry whose payload is gone before its time. Repair: report it as lost.
#: ``data_without_index``: a payload that the index does not know, or not completely. Repair: index it.
#: ``no_ttl``: a payload that should expire and never will. Repair: give it its deadline.
#: ``undecodable``: a payload that this release cannot read. It is listed only, and goes at its own deadline.
FINDING_KINDS = ("index_without_data", "data_without_index", "no_ttl", "undecodable")
REPAIRABLE_KINDS = FINDING_KINDS[:3]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Finding:
    """Something that reconcile found."""

    kind: str
    key: str
    detail: str
    repaired: bool = False

    def __repr__(self) -> str:
        return _described(self, [field.name for field in fields(self)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileStep:
    """One slice of a reconcile."""

    checked: int
    findings: Sequence[Finding]
    #: Where to go on; ``None`` when everything was looked at.
    cursor: str | None


def _described(record: object, names: Iterable[str]) -> str:
    """Return a record as a log or a traceback may show it: session and owner by their hashes, without the state."""
    shown = []
    for name in names:
        value = getattr(record, name)
        if name in ("key", "owner"):
            shown.append(f"{'session' if name == 'key' else name}={None if value is None else hashed(value)}")
        elif name != "state":
            shown.append(f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}")
    return f"{type(record).__name__}({', '.join(shown)})"


def from_milliseconds(value: int) -> datetime:
    """Return the moment ``value`` milliseconds after the epoch."""
    return datetime.fromtimestamp(value / 1000, UTC)
