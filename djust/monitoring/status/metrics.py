"""What ``metrics/`` shows, as figures; ``exposition`` writes them down for Prometheus.

Nothing is counted in the memory of a process: every figure comes from the database or the store, so it does not matter
which of several web processes is asked. A figure that is not known is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import NamedTuple

from django.utils import timezone

from djust import totals
from djust.database import DATABASE_ERRORS
from djust.models import MaintenanceRun, MemorySample, SessionLoss
from djust.monitoring.alerting.rules import RULES
from djust.monitoring.status.heartbeat import Heartbeat
from djust.monitoring.status.summary import Records, StoreFigures, read_records

#: Figures of a sample are not shown as today's when sampling is not scheduled and they are older than this.
FRESH = timedelta(minutes=15)


class Metric(NamedTuple):
    """A family of figures."""

    #: ``"gauge"`` or ``"counter"``.
    kind: str
    help: str
    labels: tuple[str, ...] = ()


class Point(NamedTuple):
    """One figure of a family."""

    name: str
    labels: tuple[str, ...]
    value: float


def _gauge(help_text: str, *labels: str) -> Metric:
    return Metric("gauge", help_text, labels)


def _counter(help_text: str, *labels: str) -> Metric:
    return Metric("counter", help_text, labels)


#: All families, in the order in which they are shown.
METRICS: Mapping[str, Metric] = {
    "djust_build_info": _gauge("1, with the release and the backend as labels.", "version", "backend"),
    "djust_store_up": _gauge("1 if the store answers, 0 if it does not."),
    "djust_store_latency_seconds": _gauge("How long the store took to answer a ping."),
    "djust_database_up": _gauge("1 if the database answers in time, 0 if it does not."),
    "djust_sessions_live": _gauge("Live sessions."),
    "djust_sessions_overdue": _gauge(
        "Sessions whose time ran out and that no clean-up has reported yet: the backlog."
    ),
    "djust_sessions_oldest_overdue_seconds": _gauge("For how long the first of the overdue sessions has waited."),
    "djust_sessions_removed_total": _counter("Sessions that clean-ups removed."),
    "djust_sessions_lost_total": _counter("Live sessions found to be gone before their time.", "cause"),
    "djust_evicted_keys_total": _counter("Keys that the servers were seen to drop, whoever's they were."),
    "djust_server_memory_used_bytes": _gauge("Memory that the server uses.", "node"),
    "djust_server_memory_limit_bytes": _gauge("Memory that the server may use.", "node", "source"),
    "djust_server_memory_usage_ratio": _gauge("Used memory as a share of the limit; 1 is full.", "node"),
    "djust_server_memory_rss_bytes": _gauge("Memory that the server holds from the system.", "node"),
    "djust_server_memory_fragmentation_ratio": _gauge("Held over used memory, where that means anything.", "node"),
    "djust_server_full_seconds": _gauge("Time until the memory is full at its pace, while it grows.", "node"),
    "djust_server_policy_info": _gauge("1, with what the server does when it is full as a label.", "node", "policy"),
    "djust_server_clients": _gauge("Connections to the server.", "node"),
    "djust_server_sessions": _gauge("Live sessions on the server.", "node"),
    "djust_server_session_bytes": _gauge("Mean memory of a session, from a sample.", "node"),
    "djust_server_session_margin_bytes": _gauge("Half-width of the 95 % interval of that mean.", "node"),
    "djust_server_index_bytes": _gauge("Memory of the index of sessions.", "node"),
    "djust_server_sampled_timestamp_seconds": _gauge("When the server was last sampled.", "node"),
    "djust_heartbeat_ok": _gauge("1 if a scheduled task keeps its schedule, 0 if it is late.", "task"),
    "djust_maintenance_last_success_timestamp_seconds": _gauge("When a task last ran to a good end.", "task"),
    "djust_maintenance_interval_seconds": _gauge("How often a task is scheduled.", "task"),
    "djust_maintenance_runs_total": _counter("Runs of maintenance tasks that ended.", "task", "outcome"),
    "djust_alerts_open": _gauge("1 for each alert that is open.", "rule", "severity", "state", "node"),
    "djust_alerts_fired_total": _counter("Alerts that began to fire.", "rule"),
}


@dataclass(frozen=True, slots=True)
class DatabaseFigures:
    """What the database says, read at one moment."""

    records: Records
    #: ``None``: they could not be read.
    totals: Mapping[str, int] | None
    at: datetime


def read_database() -> DatabaseFigures:
    """Read what the metrics show of the database. Never raises for one that is away."""
    now = timezone.now()
    records = read_records(now)
    try:
        counts = None if records.error else totals.read_all()
    except DATABASE_ERRORS:
        counts = None
    return DatabaseFigures(records, counts, now)


def points(database: DatabaseFigures | None, store: StoreFigures) -> Iterator[Point]:
    """Yield every figure that is known.

    Args:
        database: ``None``: it did not answer in time.
        store: What the store says.
    """
    yield from _store(store)
    up = database is not None and database.totals is not None
    yield Point("djust_database_up", (), up)
    if database is not None:
        yield from _records(database.records, database.at)
        yield from _heartbeat(database.records.heartbeat)
        yield from _totals(database.totals)


def _known(name: str, labels: tuple[str, ...], value: float | None) -> Iterator[Point]:
    if value is not None:
        yield Point(name, labels, value)


def _store(store: StoreFigures) -> Iterator[Point]:
    yield Point("djust_build_info", (version("djust"), store.backend or ""), 1)
    yield Point("djust_store_up", (), store.up or store.elsewhere)
    latency = None if store.latency_ms is None else store.latency_ms / 1000
    yield from _known("djust_store_latency_seconds", (), latency)
    yield from _known("djust_sessions_live", (), store.sessions)
    yield from _known("djust_sessions_overdue", (), store.overdue)
    yield from _known("djust_sessions_oldest_overdue_seconds", (), store.oldest_overdue_seconds)


def _records(records: Records, now: datetime) -> Iterator[Point]:
    for sample in records.samples:
        yield Point("djust_server_sampled_timestamp_seconds", (sample.node,), sample.sampled_at.timestamp())
        if _is_fresh(sample, records.heartbeat, now):
            yield from _sample(sample)
    for alert in records.alerts:
        yield Point("djust_alerts_open", (alert.rule, alert.severity, alert.state, alert.node), 1)


def _is_fresh(sample: MemorySample, heartbeat: Heartbeat, now: datetime) -> bool:
    """Whether a sample still says how things are: the next one is not late."""
    beat = heartbeat.beat(MaintenanceRun.Task.SAMPLE_MEMORY)
    if beat is None or beat.every_seconds is None:
        return now - sample.sampled_at <= FRESH
    return now - sample.sampled_at <= max(FRESH, timedelta(seconds=3 * beat.every_seconds))


def _sample(sample: MemorySample) -> Iterator[Point]:
    node = (sample.node,)
    for name, value in (
        ("memory_used_bytes", sample.used_bytes),
        ("memory_usage_ratio", sample.usage),
        ("memory_rss_bytes", sample.rss_bytes),
        ("memory_fragmentation_ratio", sample.fragmentation),
        ("full_seconds", sample.seconds_to_full),
        ("clients", sample.clients),
        ("sessions", sample.sessions),
        ("session_bytes", sample.bytes_per_session),
        ("session_margin_bytes", sample.bytes_per_session_margin),
        ("index_bytes", sample.index_bytes),
    ):
        yield from _known(f"djust_server_{name}", node, value)
    yield from _known("djust_server_memory_limit_bytes", (*node, sample.limit_source), sample.limit_bytes)
    if sample.policy:
        yield Point("djust_server_policy_info", (*node, sample.policy), 1)


def _heartbeat(heartbeat: Heartbeat) -> Iterator[Point]:
    for beat in heartbeat.beats:
        task = (beat.task.value,)
        if beat.status != "off":
            yield Point("djust_heartbeat_ok", task, not beat.late)
        last = None if beat.last_at is None else beat.last_at.timestamp()
        yield from _known("djust_maintenance_last_success_timestamp_seconds", task, last)
        yield from _known("djust_maintenance_interval_seconds", task, beat.every_seconds)


def _totals(counts: Mapping[str, int] | None) -> Iterator[Point]:
    """Yield the totals. What was never counted is a real zero, which Prometheus needs to see the first one."""
    if counts is None:
        return
    for name, (metric, parts) in _counted().items():
        yield Point(metric, parts, counts.get(name, 0))


def _counted() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return each total's name with its family and labels."""
    outcomes = [outcome for outcome in MaintenanceRun.Outcome.values if outcome != MaintenanceRun.Outcome.RUNNING]
    return {
        totals.SESSIONS_REMOVED: ("djust_sessions_removed_total", ()),
        totals.EVICTED_KEYS: ("djust_evicted_keys_total", ()),
        **{f"{totals.SESSIONS_LOST}:{c}": ("djust_sessions_lost_total", (c,)) for c in SessionLoss.Cause.values},
        **{f"{totals.ALERTS_FIRED}:{rule}": ("djust_alerts_fired_total", (rule,)) for rule in RULES},
        **{
            f"{totals.MAINTENANCE_RUNS}:{task}:{outcome}": ("djust_maintenance_runs_total", (task, outcome))
            for task in MaintenanceRun.Task.values
            for outcome in outcomes
        },
    }
