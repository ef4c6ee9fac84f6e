"""Takes samples of the servers' memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from djust.conf import get_config
from djust.database import DATABASE_ERRORS, read, unavailable, write
from djust.log import logger
from djust.models import MemorySample
from djust.monitoring.forecast import seconds_to_full
from djust.monitoring.info import COUNTERS, Figures, read_info
from djust.monitoring.retention import thin
from djust.state_backend.base import StateBackend
from djust.state_backend.monitor import Measured, StoreMonitor
from djust.state_backend.registry import get_backend

NOT_APPLICABLE = "This backend keeps its sessions on no server of its own, so there is nothing to sample."

FIRST = "There is no earlier sample to compare with."
RESTARTED = "The server was restarted since the sample before, so its counters began again."
RESET = "The server's counters were reset since the sample before, as by CONFIG RESETSTAT."
EMPTY = "There is no session to measure."
NOT_GROWING = "The memory does not clearly grow, or there are too few samples yet."

#: How far back the forecast looks.
FORECAST_SPAN = timedelta(hours=1)

_MEASURED = (
    "sessions",
    "bytes_per_session",
    "bytes_per_session_margin",
    "index_bytes",
    "lost_estimate",
    "lost_margin",
)
_LOGGED = (
    *("node", "used_bytes", "limit_bytes", "limit_source", "usage", "policy", "rss_bytes", "fragmentation", "clients"),
    *("evicted", "evicted_per_second", "expired_per_second", "hit_ratio", *_MEASURED, "seconds_to_full"),
)


def sample_memory(backend: StateBackend | None = None, *, trigger: str = "call") -> dict[str, Any]:
    """Take one sample of each server, keep and log it, and return them as JSON-like values.

    Raises:
        BackendUnavailable: The store cannot be reached.
    """
    backend = backend or get_backend()
    monitor = backend.monitor
    if monitor is None:
        return {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    samples = take_samples(monitor)
    write(MemorySample, lambda: MemorySample.objects.bulk_create(samples))
    servers = [_as_dict(sample) for sample in samples]
    for server in servers:
        logger.info("redis_memory_sampled", backend=backend.name, trigger=trigger, **server)
    write(MemorySample, thin)
    return {"outcome": "done", "backend": backend.name, "servers": servers}


def take_samples(monitor: StoreMonitor) -> list[MemorySample]:
    """Ask each server, compare with its earlier samples, and return the new ones, not saved yet."""
    config = get_config()
    infos = monitor.server_info()
    measured = {one.node: one for one in monitor.measure(config.sample_size)}
    now = timezone.now()
    samples = []
    for info in infos:
        figures = read_info(info, memory_limit_bytes=config.memory_limit_bytes)
        sample = MemorySample(node=info.node, run_id=figures.run_id, sampled_at=now, counters=figures.counters)
        for name, value in figures.values.items():
            setattr(sample, name, "" if value is None and name == "policy" else value)
        sample.unavailable.update(figures.unavailable)
        if info.node in measured:
            _add_measured(sample, measured[info.node])
        earlier = recent_samples(info.node, now)
        _add_deltas(sample, earlier[-1] if earlier else _last_sample(info.node), figures)
        _add_forecast(sample, earlier)
        samples.append(sample)
    return samples


def recent_samples(node: str, now: datetime, span: timedelta = FORECAST_SPAN) -> Sequence[MemorySample]:
    """Return the samples of a server in the time before ``now``, the oldest first; none if the database is away."""
    rows = MemorySample.objects.filter(node=node, sampled_at__gte=now - span, sampled_at__lte=now)
    try:
        return read(MemorySample, lambda: list(rows.order_by("sampled_at")))
    except DATABASE_ERRORS as error:
        unavailable(error)
        return []


def _last_sample(node: str) -> MemorySample | None:
    """Return the last sample of a server, however old: samples may be hours apart."""
    try:
        return read(MemorySample, MemorySample.objects.filter(node=node).first)
    except DATABASE_ERRORS as error:
        unavailable(error)
        return None


def _add_measured(sample: MemorySample, measured: Measured) -> None:
    figures = asdict(measured)
    sample.sessions_sampled = measured.sampled
    for name in _MEASURED:
        setattr(sample, name, figures[name])
        if figures[name] is None:
            sample.unavailable[name] = measured.refused or EMPTY


def _add_deltas(sample: MemorySample, before: MemorySample | None, figures: Figures) -> None:
    reason = None
    if before is None:
        reason = FIRST
    elif before.run_id != sample.run_id:
        reason = RESTARTED
    else:
        sample.span_seconds = (sample.sampled_at - before.sampled_at).total_seconds()
    for name in COUNTERS:
        if name in sample.unavailable:
            continue
        delta, why = (None, reason) if before is None or reason else _delta(before.counters, figures.counters, name)
        if delta is None:
            sample.unavailable[name] = why
        setattr(sample, name, delta)


def _delta(before: Mapping[str, int], now: Mapping[str, int], name: str) -> tuple[int | None, str | None]:
    earlier = before.get(name)
    if earlier is None:
        return None, FIRST
    return (now[name] - earlier, None) if now[name] >= earlier else (None, RESET)


def _add_forecast(sample: MemorySample, earlier: Sequence[MemorySample]) -> None:
    limit, source = sample.limit_bytes, MemorySample.LimitSource
    if limit is None or sample.used_bytes is None:
        sample.unavailable["seconds_to_full"] = sample.unavailable.get("limit_bytes") or NOT_GROWING
        return
    points = [
        (row.sampled_at.timestamp(), float(row.used_bytes))
        for row in [*earlier, sample]
        if row.used_bytes is not None and row.run_id == sample.run_id
    ]
    # What else runs on the machine is not known.
    if sample.limit_source != source.SYSTEM:
        sample.seconds_to_full = seconds_to_full(points, limit)
    if sample.seconds_to_full is None:
        sample.unavailable["seconds_to_full"] = NOT_GROWING


def _as_dict(sample: MemorySample) -> dict[str, Any]:
    figures = {name: _rounded(getattr(sample, name)) for name in _LOGGED}
    for name in ("policy", "limit_source"):
        figures[name] = figures[name] or None
    if sample.unavailable:
        figures["unavailable"] = sample.unavailable
    return figures


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
