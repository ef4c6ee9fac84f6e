"""The in-memory backend."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from heapq import nlargest
from threading import Lock
from typing import Any, Self
from weakref import WeakSet

from djust.codec import Codec
from djust.conf import Config
from djust.exceptions import BackendFull, InvalidArgument
from djust.log import hashed, logger
from djust.state_backend.announce import announce
from djust.state_backend.arguments import check_name, check_seconds, check_version, ttl_milliseconds
from djust.state_backend.base import Sweep
from djust.state_backend.memory.aio import DirectTwins
from djust.state_backend.memory.deadlines import NEVER
from djust.state_backend.memory.sweep import CLAIM_SIZE, MemorySweep
from djust.state_backend.memory.sweeper import Sweeper
from djust.state_backend.memory.table import SLICE, Change, Record, Table, now_milliseconds
from djust.state_backend.records import (
    ENDED,
    ENDED_ALL,
    Backlog,
    Session,
    SessionInfo,
    SessionPage,
    from_milliseconds,
)

_LARGEST = 10


def _versions_from_now() -> itertools.count[int]:
    # Microseconds: no process saves that often, so a restart goes on above where it was, and 53 bits are enough.
    return itertools.count(time.time_ns() // 1_000)


_versions = _versions_from_now()


class InMemoryStateBackend(DirectTwins):
    """Keeps sessions in the process that runs it. For development and for a site of one process.

    A thread of that process sweeps it, from the first ``set`` until ``close``. After a fork the child starts without
    sessions, reports and leases: they are the parent's, and what would be a copy would go its own way unseen.

    Args:
        default_ttl: Seconds without activity after which a session expires; zero or less: never.
        max_age: Seconds after its creation at which a session expires; ``None``: never.
        max_sessions: How many sessions it holds. A new one past that is refused, none is thrown away for it.
        sweep_seconds: The pause between two sweeps.
        codec: Turns states into bytes; ``None``: one with the limits that djust has by default.
    """

    name = "memory"
    process_local = True

    def __init__(
        self,
        default_ttl: float = 3600,
        *,
        max_age: float | None = None,
        max_sessions: int = 100_000,
        sweep_seconds: float = 10.0,
        codec: Codec | None = None,
    ) -> None:
        super().__init__(default_ttl, max_age=max_age)
        if max_sessions < 1:
            raise InvalidArgument(f"max_sessions must be at least 1, not {max_sessions!r}.")
        if check_seconds("sweep_seconds", sweep_seconds) <= 0:
            raise InvalidArgument(f"sweep_seconds must be greater than zero, not {sweep_seconds!r}.")
        if max_age is not None and max_age <= 0:
            raise InvalidArgument(f"max_age must be greater than zero or None, not {max_age!r}.")
        self.max_sessions = max_sessions
        self.sweep_seconds = sweep_seconds
        self._codec = codec if codec is not None else Codec.from_config(Config())
        self.start_empty()
        _backends.add(self)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """See ``StateBackend``."""
        return cls(
            config.session_ttl,
            max_age=config.session_max_age,
            max_sessions=config.memory_max_sessions,
            sweep_seconds=config.memory_sweep_seconds,
            codec=Codec.from_config(config),
        )

    # One session

    def get(self, key: str) -> Session | None:
        """See ``StateBackend``."""
        record = self._table.find(check_name("key", key))
        return None if record is None else _session(key, record, self._codec.decode(record.body))

    def set(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None = None,
        *,
        owner: str | int | None = None,
        label: str | None = None,
        expected_version: int | None = None,
    ) -> Session:
        """See ``StateBackend``."""
        check_name("key", key)
        change = Change(
            version=next(_versions),
            ttl=_milliseconds(ttl),
            owner=None if owner is None else check_name("owner", owner),
            label=None if label is None else check_name("label", label),
            expected_version=check_version(expected_version),
            body=self._codec.encode(state),
        )
        record = self._table.save(key, change)
        while record is None:
            self._make_room()
            record = self._table.save(key, change)
        self.ever_used = True
        self._sweeper.start()
        if record.version == record.born:
            _log("session_created", key, record)
        return _session(key, record, state)

    def touch(self, key: str, ttl: float | None = None) -> bool:
        """See ``StateBackend``."""
        return self._table.touch(check_name("key", key), _milliseconds(ttl))

    def delete(self, key: str) -> bool:
        """See ``StateBackend``."""
        return self._delete([check_name("key", key)]) == 1

    # Many sessions

    def delete_owner(self, owner: str | int) -> int:
        """See ``StateBackend``."""
        owner = check_name("owner", owner)
        keys = self._table.keys(owner)
        return sum(self._delete(keys[start : start + SLICE], owner) for start in range(0, len(keys), SLICE))

    def delete_all(self) -> int:
        """See ``StateBackend``."""
        ended = self._table.clear()
        if ended:
            self.publish(ENDED_ALL, b"")
        return ended

    def iter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> Iterator[SessionInfo]:
        """See ``StateBackend``. Holds the keys of those it looks at."""
        owner = None if owner is None else check_name("owner", owner)
        label = None if label is None else check_name("label", label)
        return self._iterate(owner, label)

    def page_sessions(
        self, cursor: str | None = None, *, owner: str | int | None = None, label: str | None = None, size: int = 100
    ) -> SessionPage:
        """See ``StateBackend``. The oldest come first; each page looks at every session."""
        last = _position(cursor)
        owner = None if owner is None else check_name("owner", owner)
        label = None if label is None else check_name("label", label)
        size = max(1, size)
        found = self._table.after(last, owner, label, size + 1)
        page = found[:size]
        return SessionPage(
            sessions=[_info(key, record) for key, record in page],
            cursor=str(page[-1][1].born) if len(found) > size else None,
            looked_at=len(page),
        )

    def session_sizes(self, keys: Sequence[str]) -> list[int | None]:
        """See ``StateBackend``. What the encoded state takes."""
        records = [self._table.find(check_name("key", key)) for key in keys]
        return [None if record is None else len(record.body) for record in records]

    def get_stats(self) -> dict[str, Any]:
        """See ``StateBackend``."""
        records = self._table.records()
        now = now_milliseconds()
        active = [record.active for record in records if record.deadline > now]
        overdue = len(records) - len(active) + len(self._table.waiting())
        return {
            "backend": self.name,
            "total_sessions": len(active),
            "overdue_sessions": overdue,
            "oldest_session_age": (now - min(active)) / 1000 if active else None,
            "newest_session_age": (now - max(active)) / 1000 if active else None,
            "average_age": (now - sum(active) / len(active)) / 1000 if active else None,
            "verified_at": from_milliseconds(now),
        }

    def get_memory_stats(self) -> dict[str, Any]:
        """See ``StateBackend``. Every session is measured."""
        items = self._table.items()
        now = now_milliseconds()
        sizes = [(len(record.body), key) for key, record in items if record.deadline > now]
        total = sum(size for size, _key in sizes)
        return {
            "total_state_bytes": total,
            "average_state_bytes": round(total / len(sizes)) if sizes else 0,
            "largest_sessions": [{"key": key, "bytes": size} for size, key in nlargest(_LARGEST, sizes)],
            "sessions_sampled": len(sizes),
            "confidence": 0,
        }

    def health_check(self) -> dict[str, Any]:
        """See ``StateBackend``. There is nothing that could be unreachable."""
        started = time.perf_counter()
        self._table.find("")
        return {"status": "healthy", "latency_ms": (time.perf_counter() - started) * 1000, "error": None}

    # Clean-up

    def open_sweep(self, *, ttl: float | None = None, token: str = "") -> Sweep:
        """See ``StateBackend``. ``token`` has no use here."""
        return MemorySweep(self._table, _milliseconds(ttl))

    def backlog(self) -> Backlog:
        """See ``StateBackend``."""
        records = self._table.records()
        now = now_milliseconds()
        deadlines = [record.deadline for record in records if record.deadline <= now]
        deadlines += [min(gone.deadline, now) for gone in self._table.waiting()]
        return Backlog(
            sessions=len(deadlines),
            oldest_overdue_seconds=(now - min(deadlines)) / 1000 if deadlines else None,
        )

    def count_due(self, ttl: float | None = None) -> int:
        """Return how many sessions ``cleanup_expired(ttl)`` would remove and report."""
        idle = _milliseconds(ttl)
        if idle == 0:
            return 0
        records = self._table.records()
        now = now_milliseconds()
        before = 0 if idle is None else now - idle
        due = sum(record.deadline <= now or (record.ttl > 0 and record.active < before) for record in records)
        return due + len(self._table.waiting())

    def acquire_lease(self, name: str, token: str, seconds: float) -> bool:
        """See ``StateBackend``."""
        now = time.monotonic()
        with self._lease_lock:
            holder, until = self._leases.get(name, (token, now))
            if holder != token and until > now:
                return False
            self._leases[name] = (token, now + seconds)
            return True

    def release_lease(self, name: str, token: str) -> None:
        """See ``StateBackend``."""
        with self._lease_lock:
            if self._leases.get(name, ("", 0.0))[0] == token:
                del self._leases[name]

    async def alease_holder(self, name: str) -> str | None:
        """See ``StateBackend``."""
        with self._lease_lock:
            holder, until = self._leases.get(name, (None, 0.0))
        return holder if until > time.monotonic() else None

    def cleanup_expired(self, ttl: float | None = None) -> int:
        """See ``StateBackend``."""
        return self._clean(self.open_sweep(ttl=ttl))[0]

    # Its thread

    def close(self) -> None:
        """Stop sweeping. The sessions stay; the next ``set`` starts the sweeping again."""
        self._sweeper.stop()

    def start_empty(self) -> None:
        """Be as if just built. A child calls it after a fork: what is here then is its parent's."""
        self._table = Table(
            ttl_milliseconds(self.default_ttl),
            0 if self.max_age is None else ttl_milliseconds(self.max_age),
            self.max_sessions,
        )
        self._sweeper = Sweeper(self._sweep, self.sweep_seconds)
        self._lease_lock = Lock()
        self._leases: dict[str, tuple[str, float]] = {}
        self.ever_used = False

    # Inside

    def _sweep(self) -> None:
        started = time.perf_counter()
        removed, scanned = self._clean(self.open_sweep())
        if removed:
            logger.info(
                "cleanup_finished",
                backend=self.name,
                trigger="sweeper",
                removed=removed,
                scanned=scanned,
                remaining=self.backlog().sessions,
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
            )

    def _clean(self, sweep: Sweep) -> tuple[int, int]:
        removed = scanned = 0
        done = False
        while not done:
            reaped = sweep.reap(SLICE)
            scanned += reaped.scanned
            done = reaped.done
            while gone := sweep.claim(CLAIM_SIZE):
                removed += len(gone)
                announce(type(self), gone)
        return removed, scanned

    def _make_room(self) -> None:
        reaped = self._table.reap(SLICE)
        while not reaped.removed:
            if reaped.done:
                raise BackendFull(
                    f"The memory backend holds {self.max_sessions} sessions and takes no more. Raise "
                    "MEMORY_MAX_SESSIONS, shorten SESSION_TTL or use Redis."
                )
            reaped = self._table.reap(SLICE)

    def _delete(self, keys: list[str], owner: str | None = None) -> int:
        deleted = self._table.delete(keys, owner)
        for key, record in deleted:
            _log("session_deleted", key, record)
            self.publish(ENDED, key.encode())
        return len(deleted)

    def _iterate(self, owner: str | None, label: str | None) -> Iterator[SessionInfo]:
        for key in self._table.keys(owner):
            record = self._table.find(key)
            if record is None or (owner is not None and record.owner != owner):
                continue
            if label is None or record.label == label:
                yield _info(key, record)


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
        raise InvalidArgument("This is no cursor of this list. Begin without one.")
    return int(cursor)


def _info(key: str, record: Record) -> SessionInfo:
    return SessionInfo(
        key=key,
        owner=record.owner,
        label=record.label,
        created_at=from_milliseconds(record.created),
        last_active_at=from_milliseconds(record.active),
        expires_at=None if record.deadline == NEVER else from_milliseconds(record.deadline),
    )


def _session(key: str, record: Record, state: dict[str, Any]) -> Session:
    created_at = from_milliseconds(record.created)
    return Session(
        key=key,
        owner=record.owner,
        label=record.label,
        created_at=created_at,
        last_active_at=created_at if record.active == record.created else from_milliseconds(record.active),
        expires_at=None if record.deadline == NEVER else from_milliseconds(record.deadline),
        state=state,
        version=record.version,
        ttl=timedelta(milliseconds=record.ttl) if record.ttl else None,
    )


def _milliseconds(ttl: float | None) -> int | None:
    return None if ttl is None else ttl_milliseconds(check_seconds("ttl", ttl))


def _log(event: str, key: str, record: Record) -> None:
    if logger.isEnabledFor("debug"):
        owner = None if record.owner is None else hashed(record.owner)
        logger.debug(event, session=hashed(key), owner=owner, label=record.label)


_backends: WeakSet[InMemoryStateBackend] = WeakSet()


def _begin_in_child() -> None:
    global _versions
    _versions = _versions_from_now()
    for backend in list(_backends):
        backend.start_empty()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
