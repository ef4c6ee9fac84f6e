"""The sessions of one process and everything that is known about them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from threading import Lock
from typing import NamedTuple

from djust.exceptions import SessionGone, VersionConflict
from djust.state_backend.memory.deadlines import NEVER, Deadlines
from djust.state_backend.records import GoneSession, Reaped, from_milliseconds

#: The most sessions that are looked at while the lock is held.
SLICE = 200


def now_milliseconds() -> int:
    """Return the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Record:
    """A session as it is stored. Only ``scheduled`` ever changes: whatever happens to a session replaces its record,
    so that readers need no lock.
    """

    __slots__ = (
        "active",
        "body",
        "born",
        "created",
        "deadline",
        "label",
        "owner",
        "scheduled",
        "ttl",
        "version",
    )

    def __init__(
        self,
        body: bytes,
        version: int,
        born: int,
        owner: str | None,
        label: str | None,
        created: int,
        active: int,
        ttl: int,
        deadline: int,
        scheduled: int,
    ) -> None:
        self.body = body
        self.version = version
        self.born = born
        self.owner = owner
        self.label = label
        self.created = created
        self.active = active
        self.ttl = ttl
        self.deadline = deadline
        self.scheduled = scheduled


class Gone:
    """A session that waits to be reported. Its state is not kept."""

    __slots__ = ("active", "cause", "created", "deadline", "key", "label", "owner")

    def __init__(self, key: str, record: Record, cause: str | None = None) -> None:
        self.key = key
        self.owner = record.owner
        self.label = record.label
        self.created = record.created
        self.active = record.active
        self.deadline = record.deadline
        self.cause = cause or ("idle" if record.ttl and record.active + record.ttl == record.deadline else "max_age")

    def report(self) -> GoneSession:
        """Return what the project is told."""
        return GoneSession(
            key=self.key,
            owner=self.owner,
            label=self.label,
            created_at=from_milliseconds(self.created),
            last_active_at=from_milliseconds(self.active),
            cause=self.cause,
        )


class Change(NamedTuple):
    """What a writer asks for. ``None``: as it is stored."""

    body: bytes
    version: int
    #: Milliseconds; zero: never.
    ttl: int | None
    owner: str | None
    label: str | None
    expected_version: int | None


class Table:
    """Sessions by key, by owner and by deadline, and the outbox of those that are over. Safe for threads.

    Args:
        default_ttl: Milliseconds; zero: never.
        max_age: Milliseconds; zero: no limit.
        max_sessions: How many it holds.
    """

    def __init__(self, default_ttl: int, max_age: int, max_sessions: int) -> None:
        self._default_ttl = default_ttl
        self._max_age = max_age
        self._max_sessions = max_sessions
        self._lock = Lock()
        self._records: dict[str, Record] = {}
        self._owners: dict[str, dict[str, None]] = {}
        self._deadlines = Deadlines(self._records)
        self._outbox: deque[Gone] = deque()

    # One session

    def find(self, key: str) -> Record | None:
        """Return the record of the live session ``key``."""
        record = self._records.get(key)
        return None if record is None or record.deadline <= now_milliseconds() else record

    def save(self, key: str, change: Change) -> Record | None:
        """Store a session and return its record, or ``None`` when there is no room for a new one.

        Raises:
            VersionConflict, SessionGone: See ``StateBackend.set``.
        """
        with self._lock:
            now = now_milliseconds()
            found = self._records.get(key)
            live = None if found is None or found.deadline <= now else found
            _compare(live, change.expected_version)
            if live is not None:
                return self._replace(key, live, change, now)
            if found is not None:
                self._outbox.append(Gone(key, self._take(key, found)))
            elif len(self._records) >= self._max_sessions:
                return None
            return self._create(key, change, now)

    def touch(self, key: str, ttl: int | None) -> bool:
        """Move the idle deadline; return whether the session lives. ``ttl``: milliseconds."""
        with self._lock:
            now = now_milliseconds()
            old = self._records.get(key)
            if old is None or old.deadline <= now:
                return False
            ttl = old.ttl if ttl is None else ttl
            self._records[key] = record = Record(
                old.body,
                old.version,
                old.born,
                old.owner,
                old.label,
                old.created,
                now,
                ttl,
                self._deadline(old.created, now, ttl),
                old.scheduled,
            )
            self._deadlines.schedule(key, record)
            return True

    def delete(self, keys: Iterable[str], owner: str | None = None) -> list[tuple[str, Record]]:
        """End the live sessions among ``keys``, those of ``owner`` if given, and return them.

        Give it at most ``SLICE`` keys. A session whose time has run out is left to be reported.
        """
        deleted = []
        with self._lock:
            now = now_milliseconds()
            for key in keys:
                record = self._records.get(key)
                if record is None or record.deadline <= now or (owner is not None and record.owner != owner):
                    continue
                deleted.append((key, self._take(key, record)))
        return deleted

    # Many sessions

    def clear(self) -> int:
        """Forget everything, reports included; return how many sessions lived."""
        with self._lock:
            now = now_milliseconds()
            forgotten = self._records
            self._records = {}
            self._owners = {}
            self._deadlines = Deadlines(self._records)
            self._outbox = deque()
        return sum(record.deadline > now for record in forgotten.values())

    def keys(self, owner: str | None = None) -> list[str]:
        """Return the keys of every session, or of those of ``owner``, live or not."""
        with self._lock:
            return list(self._records if owner is None else self._owners.get(owner, ()))

    def after(self, born: int, owner: str | None, label: str | None, limit: int) -> list[tuple[str, Record]]:
        """Return live sessions that were born after ``born``, the oldest first; of an owner or label if given.

        Recreated under the same key, a session is another one, born later.
        """
        now = now_milliseconds()
        pairs = self.items() if owner is None else ((key, self._records.get(key)) for key in self.keys(owner))
        found = (
            (key, record)
            for key, record in pairs
            if record is not None
            and record.born > born
            and record.deadline > now
            and (owner is None or record.owner == owner)
            and (label is None or record.label == label)
        )
        return nsmallest(limit, found, key=lambda item: item[1].born)

    def items(self) -> Iterator[tuple[str, Record]]:
        """Return every session, live or not, as it is at one moment."""
        with self._lock:  # Two flat copies: pairs would take it for ten times as long.
            keys, records = list(self._records), list(self._records.values())
        return zip(keys, records, strict=True)

    def records(self) -> list[Record]:
        """Return the record of every session, live or not, as it is at one moment."""
        with self._lock:
            return list(self._records.values())

    def index_size(self) -> int:
        """Return how many entries the index of deadlines has, those out of date included."""
        with self._lock:
            return len(self._deadlines)

    # Sessions that are over

    def reap(self, limit: int) -> Reaped:
        """Move at most ``limit`` due sessions, and a slice at most, to the outbox, the longest overdue first."""
        scanned = removed = renewed = 0
        done = False
        with self._lock:
            now = now_milliseconds()
            for _ in range(min(limit, SLICE)):
                key = self._deadlines.pop_due(now)
                if key is None:
                    done = True
                    break
                record = self._records.get(key)
                if record is None:
                    continue
                scanned += 1
                if record.deadline > now:
                    self._deadlines.schedule(key, record)
                    renewed += 1
                else:
                    self._outbox.append(Gone(key, self._take(key, record)))
                    removed += 1
        return Reaped(scanned=scanned, removed=removed, renewed=renewed, done=done)

    def reap_idle(self, keys: Iterable[str], longer_than: int) -> Reaped:
        """Move to the outbox those of ``keys`` that are due or have been idle for ``longer_than`` milliseconds.

        Give it at most ``SLICE`` keys.
        """
        scanned = removed = 0
        with self._lock:
            now = now_milliseconds()
            for key in keys:
                record = self._records.get(key)
                if record is None:
                    continue
                scanned += 1
                overdue = record.deadline <= now
                if overdue or (record.ttl and record.active < now - longer_than):
                    self._outbox.append(Gone(key, self._take(key, record), None if overdue else "idle"))
                    removed += 1
        return Reaped(scanned=scanned, removed=removed)

    def claim(self, limit: int) -> list[GoneSession]:
        """Take at most ``limit`` reports from the outbox."""
        with self._lock:
            outbox = self._outbox
            taken = [outbox.popleft() for _ in range(min(limit, len(outbox)))]
        return [gone.report() for gone in taken]

    def waiting(self) -> list[Gone]:
        """Return what is in the outbox."""
        with self._lock:
            return list(self._outbox)

    # With the lock held

    def _create(self, key: str, change: Change, now: int) -> Record:
        ttl = self._default_ttl if change.ttl is None else change.ttl
        version = change.version
        self._records[key] = record = Record(
            change.body,
            version,
            version,
            change.owner,
            change.label,
            now,
            now,
            ttl,
            self._deadline(now, now, ttl),
            NEVER,
        )
        if change.owner is not None:
            self._owners.setdefault(change.owner, {})[key] = None
        self._deadlines.schedule(key, record)
        return record

    def _replace(self, key: str, old: Record, change: Change, now: int) -> Record:
        ttl = old.ttl if change.ttl is None else change.ttl
        owner = old.owner if change.owner is None else change.owner
        self._records[key] = record = Record(
            change.body,
            change.version,
            old.born,
            owner,
            old.label if change.label is None else change.label,
            old.created,
            now,
            ttl,
            self._deadline(old.created, now, ttl),
            old.scheduled,
        )
        if owner is not None and owner != old.owner:
            self._disown(key, old)
            self._owners.setdefault(owner, {})[key] = None
        self._deadlines.schedule(key, record)
        return record

    def _take(self, key: str, record: Record) -> Record:
        del self._records[key]
        self._disown(key, record)
        self._deadlines.compact()
        return record

    def _disown(self, key: str, record: Record) -> None:
        if record.owner is None:
            return
        owned = self._owners[record.owner]
        del owned[key]
        if not owned:
            del self._owners[record.owner]

    def _deadline(self, created: int, active: int, ttl: int) -> int:
        idle = active + ttl if ttl else NEVER
        return min(idle, created + self._max_age) if self._max_age else idle


def _compare(live: Record | None, expected_version: int | None) -> None:
    if expected_version is None:
        return
    if live is None:
        if expected_version:
            raise SessionGone
    elif live.version != expected_version:
        raise VersionConflict
