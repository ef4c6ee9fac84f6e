"""Readings for the tests of rules and alerts: a healthy server, unless something else is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from djust.conf import Config
from djust.models import MemorySample
from djust.monitoring.alerting.judgement import Judgement
from djust.monitoring.alerting.rules import judge
from djust.monitoring.reading import Reading, ServerReading

NODE = "10.0.0.5:6379"
NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
MB = 1024**2


def sample(**changes: Any) -> MemorySample:
    """A server that uses half of its 100 MB: 20,000 sessions of 2,000 bytes, 150 of which are the index."""
    values: dict[str, Any] = {
        "node": NODE,
        "sampled_at": NOW,
        "used_bytes": 50 * MB,
        "limit_bytes": 100 * MB,
        "limit_source": "maxmemory",
        "policy": "noeviction",
        "rss_bytes": 52 * MB,
        "sessions": 20_000,
        "bytes_per_session": 1850.0,
        "bytes_per_session_margin": 160.0,
        "index_bytes": 3_000_000,
    }
    return MemorySample(**values | changes)


def server(*, node: str = NODE, evicted: int | None = 0, **changes: Any) -> ServerReading:
    return ServerReading(node=node, samples=[sample(node=node, **changes)], evicted=evicted)


def reading(*servers: ServerReading, **changes: Any) -> Reading:
    """What a check of a healthy store finds, with maintenance on time."""
    values: dict[str, Any] = {
        "now": NOW,
        "servers": servers or (server(),),
        "index_shards_lost": dict.fromkeys([one.node for one in servers] or [NODE], 0),
        "last_sample_at": NOW - timedelta(seconds=30),
        "sample_every_seconds": 60.0,
        "last_cleanup_at": NOW - timedelta(seconds=30),
        "cleanup_every_seconds": 60.0,
        "backlog_sessions": 12,
        "oldest_overdue_seconds": 40.0,
        "peak_sessions": 30_000,
        "session_ttl_seconds": 3600,
    }
    values |= changes
    for what in ("sample", "cleanup"):
        every, last = values[f"{what}_every_seconds"], values[f"last_{what}_at"]
        late = None if every is None else (last or NOW - timedelta(days=1)) + timedelta(seconds=max(180, 3 * every))
        values.setdefault(f"{what}_late_at", late)
    return Reading(**values)


def judged(rule: str, what: Reading, *, node: str = NODE, config: Config | None = None) -> Judgement:
    """The one judgement of a rule about a server."""
    (found,) = (one for one in judge(what, config or Config()) if (one.rule, one.node) == (rule, node))
    return found
