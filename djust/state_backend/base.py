"""The contract of a state backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from djust.exceptions import InvalidArgument
from djust.state_backend.arguments import check_notice, check_seconds
from djust.state_backend.monitor import StoreMonitor
from djust.state_backend.notices import Hub
from djust.state_backend.records import (
    Backlog,
    GoneSession,
    Notice,
    Reaped,
    ReconcileStep,
    Session,
    SessionInfo,
    SessionPage,
)

if TYPE_CHECKING:
    from djust.conf import Config


class Sweep(ABC):
    """One pass over what is due. ``reap`` frees, ``claim`` hands out what is to be reported.

    The two are apart so that a slice can be large while what is lost with a killed process stays small: a session
    that was reaped waits in the store until somebody claims it, and whoever claims it owns its report.
    """

    @abstractmethod
    def reap(self, limit: int) -> Reaped:
        """Take at most ``limit`` due sessions out of the index, the longest overdue first."""

    @abstractmethod
    def claim(self, limit: int) -> Sequence[GoneSession]:
        """Return at most ``limit`` sessions to report, no other caller's; empty when none is left.

        The next call, and ``close``, say that those of the call before have been reported.
        """

    @abstractmethod
    def abandoned(self) -> int:
        """Return, and forget, how many reports were lost with processes that were killed while sweeping."""

    def nameless(self) -> Mapping[str, int]:
        """Return, and forget, how many sessions were found to be lost on each server whose names are not known."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Say that everything claimed was reported."""


class StateBackend(ABC):
    """Keeps sessions. Subclass it to keep them somewhere else; ``djust.testing.StateBackendContract`` tests it.

    Every method has an asynchronous twin whose name starts with ``a``.

    Times to live are in seconds. ``ttl=None`` means the session's own, or ``default_ttl`` for a new one; more than
    zero means seconds; zero or less means that the session never idles out. ``max_age`` is the absolute limit.
    """

    #: What ``get_stats()['backend']`` says.
    name: str = "custom"

    #: Whether the sessions live in the memory of one process, so that no other process can see them.
    process_local: bool = False

    #: Whether this process has stored a session. A process-local backend that was never used here is another
    #: process's affair: sweeping this process's empty one would be no clean-up.
    ever_used: bool = True

    def __init__(self, default_ttl: float = 3600, *, max_age: float | None = None) -> None:
        self.default_ttl = check_seconds("default_ttl", default_ttl)
        self.max_age = None if max_age is None else check_seconds("max_age", max_age)
        self._hub = Hub()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Build the backend that ``DJUST_CONFIG`` asks for. Must not connect."""
        return cls(config.session_ttl, max_age=config.session_max_age)

    # One session

    @abstractmethod
    def get(self, key: str) -> Session | None:
        """Return the live session, or ``None``: unknown, expired, or not readable (which is logged)."""

    @abstractmethod
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
        """Save a session and return it.

        Args:
            key: Any text of 1 to 512 bytes.
            state: JSON-like values plus datetime, date, time, timedelta, Decimal, UUID, bytes, set, frozenset and
                tuple. What goes in comes out equal and of the same type.
            ttl: Seconds, see the class.
            owner: Whose session it is. ``None`` keeps what is stored.
            label: What kind it is. ``None`` keeps what is stored.
            expected_version: Save only over this version; 0: only if there is no such session; ``None``: whatever
                is there.

        Raises:
            VersionConflict: Another writer was first.
            SessionGone: The session of that version no longer exists.
            SessionUnreadable: A live payload is there that this release cannot read.
            UnsupportedType, StateTooLarge: The state cannot be stored.
            BackendFull: There is no room. What was stored before is untouched.
            BackendUnavailable: The store cannot be reached.
        """

    @abstractmethod
    def touch(self, key: str, ttl: float | None = None) -> bool:
        """Move the idle deadline without rewriting the state; return whether the session lives."""

    @abstractmethod
    def delete(self, key: str) -> bool:
        """End a session without a report; return whether it lived."""

    def touch_if_due(self, session: Session, now: datetime | None = None) -> bool:
        """Touch ``session`` only if a tenth of its TTL has passed since it was last active.

        Returns:
            Whether a touch was sent and the session lived.
        """
        due_at = session.touch_due_at()
        if due_at is None or (now or datetime.now(UTC)) < due_at:
            return False
        return self.touch(session.key)

    # Many sessions

    @abstractmethod
    def delete_owner(self, owner: str | int) -> int:
        """End every session of ``owner``; return how many lived."""

    @abstractmethod
    def delete_all(self) -> int:
        """End every session under this backend's prefix and forget the index; return how many lived."""

    @abstractmethod
    def iter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> Iterator[SessionInfo]:
        """Yield the live sessions, without their states, a page at a time.

        A session that lives during the whole iteration is yielded at least once.
        """

    def page_sessions(
        self, cursor: str | None = None, *, owner: str | int | None = None, label: str | None = None, size: int = 100
    ) -> SessionPage:
        """Return some of the live sessions, without their states, and where to go on.

        Unless a backend does better, as the built-in ones do, every page walks ``iter_sessions`` from its beginning.

        Args:
            cursor: ``None`` to begin, then what the page before returned.
            owner: Only this owner's.
            label: Only those of this kind.
            size: How many, at least one: a page may hold some more, or fewer, even none, where others come after it.

        Raises:
            InvalidArgument: The cursor is not of this list, or a name cannot be that of a session.
            BackendUnavailable: The store cannot be reached.
        """
        start = _offset(cursor)
        sessions = list(islice(self.iter_sessions(owner=owner, label=label), start, start + size + 1))
        return _page_of(sessions, start, size)

    def session_sizes(self, keys: Sequence[str]) -> list[int | None]:
        """Return what each of these sessions takes, in bytes; ``None`` where it is over or nobody can tell.

        Raises:
            BackendUnavailable, BackendDenied: The store cannot be reached, or does not say.
        """
        return [None] * len(keys)

    @abstractmethod
    def get_stats(self) -> dict[str, Any]:
        """Return ``backend``, ``total_sessions``, ``overdue_sessions``, ``oldest_session_age``,
        ``newest_session_age``, ``average_age`` (seconds since the last activity, ``None`` without sessions) and
        ``verified_at``: when the whole index was last compared with the data, or, if it never was, when its oldest
        session was last written.
        """

    @abstractmethod
    def get_memory_stats(self) -> dict[str, Any]:
        """Return ``total_state_bytes``, ``average_state_bytes``, ``largest_sessions``, ``sessions_sampled`` and
        ``confidence`` (half-width of the 95 % interval of the total, in bytes; 0 when every session was measured).
        """

    @abstractmethod
    def health_check(self) -> dict[str, Any]:
        """Return ``status`` (``"healthy"`` or ``"unhealthy"``), ``latency_ms`` and ``error``. Never raises."""

    # Clean-up

    @abstractmethod
    def open_sweep(self, *, ttl: float | None = None, token: str = "") -> Sweep:
        """Begin a pass over what is due.

        Args:
            ttl: Also what has been idle for longer than this many seconds; those that never idle out stay.
            token: Names the holder of the clean-up lease, so that what a killed holder claimed can be counted.
        """

    @abstractmethod
    def backlog(self) -> Backlog:
        """Return what is overdue and has not been reported yet."""

    @abstractmethod
    def count_due(self, ttl: float | None = None) -> int:
        """Return how many sessions a sweep with this ``ttl`` would report."""

    @abstractmethod
    def acquire_lease(self, name: str, token: str, seconds: float) -> bool:
        """Take or renew the lease ``name`` for ``token``; return False when another token holds it."""

    @abstractmethod
    def release_lease(self, name: str, token: str) -> None:
        """Give the lease back, if ``token`` still holds it."""

    @abstractmethod
    def cleanup_expired(self, ttl: float | None = None) -> int:
        """Remove and report every session that is due; return how many.

        Args:
            ttl: Also those idle for longer than this many seconds. Zero or less removes nothing at all.
        """

    def check_cursor(self, cursor: str) -> None:
        """Raise ``InvalidArgument`` if ``reconcile`` cannot go on from ``cursor``. Does not connect."""

    def reconcile(self, cursor: str | None, *, repair: frozenset[str] = frozenset()) -> ReconcileStep | None:
        """Compare one slice of the index with the data.

        Args:
            cursor: ``None`` to begin, then what the step before returned.
            repair: Which of ``REPAIRABLE_KINDS`` to repair.

        Returns:
            The step, or ``None`` if index and data cannot differ in this backend.
        """
        return None

    @property
    def monitor(self) -> StoreMonitor | None:
        """What watches the servers behind this backend; ``None``: there is nothing to watch."""
        return None

    # Notices

    def publish(self, topic: str, message: bytes) -> None:
        """Tell every listener of this store. Notices are hints: one may be lost, and the store itself is the truth.

        Unless a backend does better, as Redis does, they reach the listeners in this process. What deletes publishes
        ``ended`` with the key of each session that lived, in UTF-8; ``delete_all`` publishes ``ended_all`` once.

        Args:
            topic: 1 to 200 bytes of text.
            message: Up to 64 kB.

        Raises:
            InvalidArgument: They are not.
            BackendUnavailable, BackendDenied: The store cannot be reached, or does not take notices.
        """
        self._hub.publish(check_notice(topic, message))

    async def apublish(self, topic: str, message: bytes) -> None:
        """See ``publish``."""
        self.publish(topic, message)

    def alisten(self) -> AsyncGenerator[Notice, None]:
        """Yield what is published by whomever, for ever. Close the iterator, or cancel the task that waits for it.

        The topic ``resubscribed`` comes first, and again each time that something may have been missed.
        """
        return self._hub.listen()

    # Asynchronous twins

    @abstractmethod
    async def aget(self, key: str) -> Session | None:
        """See ``get``."""

    @abstractmethod
    async def aset(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None = None,
        *,
        owner: str | int | None = None,
        label: str | None = None,
        expected_version: int | None = None,
    ) -> Session:
        """See ``set``."""

    @abstractmethod
    async def atouch(self, key: str, ttl: float | None = None) -> bool:
        """See ``touch``."""

    @abstractmethod
    async def adelete(self, key: str) -> bool:
        """See ``delete``."""

    async def atouch_if_due(self, session: Session, now: datetime | None = None) -> bool:
        """See ``touch_if_due``."""
        due_at = session.touch_due_at()
        if due_at is None or (now or datetime.now(UTC)) < due_at:
            return False
        return await self.atouch(session.key)

    @abstractmethod
    async def adelete_owner(self, owner: str | int) -> int:
        """See ``delete_owner``."""

    @abstractmethod
    async def adelete_all(self) -> int:
        """See ``delete_all``."""

    @abstractmethod
    def aiter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> AsyncIterator[SessionInfo]:
        """See ``iter_sessions``."""

    async def apage_sessions(
        self, cursor: str | None = None, *, owner: str | int | None = None, label: str | None = None, size: int = 100
    ) -> SessionPage:
        """See ``page_sessions``."""
        start = _offset(cursor)
        sessions: list[SessionInfo] = []
        position = 0
        async for info in self.aiter_sessions(owner=owner, label=label):
            position += 1
            if position > start:
                sessions.append(info)
            if len(sessions) > size:
                break
        return _page_of(sessions, start, size)

    async def asession_sizes(self, keys: Sequence[str]) -> list[int | None]:
        """See ``session_sizes``."""
        return self.session_sizes(keys)

    @abstractmethod
    async def aget_stats(self) -> dict[str, Any]:
        """See ``get_stats``."""

    @abstractmethod
    async def aget_memory_stats(self) -> dict[str, Any]:
        """See ``get_memory_stats``."""

    @abstractmethod
    async def ahealth_check(self) -> dict[str, Any]:
        """See ``health_check``."""

    @abstractmethod
    async def aacquire_lease(self, name: str, token: str, seconds: float) -> bool:
        """See ``acquire_lease``."""

    @abstractmethod
    async def arelease_lease(self, name: str, token: str) -> None:
        """See ``release_lease``."""

    @abstractmethod
    async def alease_holder(self, name: str) -> str | None:
        """Return the token that holds the lease ``name``; ``None``: nobody does."""

    @abstractmethod
    async def acleanup_expired(self, ttl: float | None = None) -> int:
        """See ``cleanup_expired``."""

    def close(self) -> None:
        """Give back connections and threads. The backend can be used again afterwards."""

    async def aclose(self) -> None:
        """Give back what the running event loop holds. The backend can be used again afterwards."""


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
        raise InvalidArgument("This is no cursor of this list. Begin without one.")
    return int(cursor)


def _page_of(sessions: list[SessionInfo], start: int, size: int) -> SessionPage:
    more = len(sessions) > size
    cursor = str(start + size) if more else None
    return SessionPage(sessions=sessions[:size], cursor=cursor, looked_at=min(len(sessions), size))
