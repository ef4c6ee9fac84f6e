"""The contract of a state backend, and the records it speaks in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from djust.exceptions import InvalidArgument

if TYPE_CHECKING:
    from djust.conf import Config

#: The longest key, owner or label, in bytes of UTF-8.
MAX_NAME_BYTES = 512

#: The longest time to live: a century.
MAX_SECONDS = 100 * 365 * 86_400

#: Share of the time to live after which a touch is worth a round trip.
TOUCH_FRACTION = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


class GoneSession(NamedTuple):
    """A session that is over, as it is reported: once."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that reconcile found."""

    kind: str
    key: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileStep:
    """One slice of a reconcile."""

    checked: int
    findings: Sequence[Finding]
    #: Where to go on; ``None`` when everything was looked at.
    cursor: str | None


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

    @abstractmethod
    def get_stats(self) -> dict[str, Any]:
        """Return ``backend``, ``total_sessions``, ``overdue_sessions``, ``oldest_session_age``,
        ``newest_session_age``, ``average_age`` (seconds since the last activity, ``None`` without sessions) and
        ``verified_at``.
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

    def reconcile(self, cursor: str | None, *, repair: frozenset[str] = frozenset()) -> ReconcileStep | None:
        """Compare one slice of the index with the data.

        Args:
            cursor: ``None`` to begin, then what the step before returned.
            repair: Which of ``REPAIRABLE_KINDS`` to repair.

        Returns:
            The step, or ``None`` if index and data cannot differ in this backend.
        """
        return None

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
    async def acleanup_expired(self, ttl: float | None = None) -> int:
        """See ``cleanup_expired``."""

    def close(self) -> None:
        """Give back connections and threads. The backend can be used again afterwards."""

    async def aclose(self) -> None:
        """Give back what the running event loop holds. The backend can be used again afterwards."""


# Arguments, checked the same way by every backend


def check_name(kind: str, value: str | int) -> str:
    """Return ``value`` as text, or raise ``InvalidArgument``. ``kind``: ``"key"``, ``"owner"`` or ``"label"``."""
    if isinstance(value, int) and not isinstance(value, bool) and kind == "owner":
        value = str(value)
    if not isinstance(value, str):
        raise InvalidArgument(f"The {kind} of a session must be text, not {type(value).__name__}.")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"The {kind} of a session holds a lone surrogate, which is no text.") from error
    if not 0 < size <= MAX_NAME_BYTES:
        raise InvalidArgument(f"The {kind} of a session must have 1 to {MAX_NAME_BYTES} bytes, not {size}.")
    return value


def check_seconds(kind: str, value: Any) -> float:
    """Return ``value`` if it is a number of seconds up to a century, or raise ``InvalidArgument``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -MAX_SECONDS <= value <= MAX_SECONDS:
        raise InvalidArgument(f"{kind} must be a number of seconds, at most a century, not {str(value)[:40]}.")
    return value


def check_version(value: Any) -> int | None:
    """Return ``value`` if it can be a version, or raise ``InvalidArgument``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InvalidArgument(f"expected_version must be the version of a session, 0 or None, not {value!r}.")
    return value


def ttl_milliseconds(value: float) -> int:
    """Return a TTL in milliseconds: zero for never, at least one otherwise."""
    return 0 if value <= 0 else max(1, round(value * 1000))


def from_milliseconds(value: int) -> datetime:
    """Return the moment ``value`` milliseconds after the epoch."""
    return _EPOCH + timedelta(milliseconds=value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
