"""What the rules judge: everything that one check has found out, and nothing that they would have to ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from djust.models import MemorySample


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReading:
    """One server and its samples."""

    node: str
    #: The last hour's, the oldest first; the last one may be from a moment ago or from before sampling stopped.
    samples: Sequence[MemorySample]
    #: Keys evicted since the check before; ``None``: not known.
    evicted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReading:
    """Sessions found lost since the check before."""

    node: str
    #: ``"evicted"``, ``"flushed"``, ``"restart"`` or ``"unknown"``.
    cause: str
    sessions: int
    #: The number is an estimate, and nobody knows the names.
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerReading:
    """The server that the Celery broker lives on, if it speaks Redis."""

    node: str
    #: ``maxmemory-policy``; ``None``: not known.
    policy: str | None
    #: ``maxmemory``, 0: none; ``None``: not known.
    limit_bytes: int | None
    #: It is one of the servers that keep the sessions, whichever database number the URLs name.
    shared_with_store: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one check found. ``None`` means not known, and an alert about it goes stale rather than away."""

    now: datetime
    #: Why the store cannot be reached; ``None``: it can.
    unreachable: str | None = None
    servers: Sequence[ServerReading] = ()
    losses: Sequence[LossReading] = ()
    #: Server: shards of its index that were evicted, so that nobody knows what they held. All servers that were asked.
    index_shards_lost: dict[str, int] = field(default_factory=dict)
    #: ``None``: not asked, or no Redis.
    broker: BrokerReading | None = None
    #: When a sample was last taken, how often its schedule takes one, and from when on the next one is late, which by
    #: a crontab need not be soon; ``None``: never, or not scheduled.
    last_sample_at: datetime | None = None
    sample_every_seconds: float | None = None
    sample_late_at: datetime | None = None
    #: The same of a clean-up that ended well.
    last_cleanup_at: datetime | None = None
    cleanup_every_seconds: float | None = None
    cleanup_late_at: datetime | None = None
    #: Overdue sessions, and how long the longest of them has been overdue.
    backlog_sessions: int | None = None
    oldest_overdue_seconds: float | None = None
    #: Live sessions at the busiest moment of the last week, from the samples.
    peak_sessions: int | None = None
    session_ttl_seconds: float = 3600
