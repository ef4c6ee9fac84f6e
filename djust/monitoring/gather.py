"""Puts together what the rules judge."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Max

from djust.conf import get_config
from djust.database import DATABASE_ERRORS, read, unavailable
from djust.exceptions import BackendError
from djust.models import MaintenanceRun, MemorySample, SessionLoss
from djust.monitoring.broker import read_broker
from djust.monitoring.findings import Findings
from djust.monitoring.reading import LossReading, Reading, ServerReading
from djust.monitoring.sampling import recent_samples
from djust.monitoring.status.heartbeat import heartbeat
from djust.state_backend.base import StateBackend
from djust.state_backend.records import Backlog

#: How far back the busiest moment is looked for.
PEAK_SPAN = timedelta(days=7)

#: Servers that were sampled within this time are still part of the store.
KNOWN_SPAN = timedelta(hours=1)


def gather(backend: StateBackend, findings: Findings, now: datetime, unreachable: str | None = None) -> Reading:
    """Return everything that a check knows.

    Args:
        backend: The store.
        findings: What the check has found.
        now: The current time.
        unreachable: Why the store cannot be reached; ``None``: it can.
    """
    beats = {beat.task: beat for beat in heartbeat(now).beats}
    sampling = beats.get(MaintenanceRun.Task.SAMPLE_MEMORY)
    cleanup = beats.get(MaintenanceRun.Task.CLEANUP)
    backlog = None if unreachable else _backlog(backend)
    nodes = [info.node for info in findings.infos] or _known_nodes(now)
    return Reading(
        now=now,
        unreachable=unreachable,
        servers=[
            ServerReading(node=node, samples=recent_samples(node, now), evicted=findings.evicted.get(node))
            for node in nodes
        ],
        losses=_losses(findings),
        index_shards_lost={node: len(shards) for node, shards in findings.index_lost.items()},
        broker=read_broker(findings.infos),
        last_sample_at=sampling.last_at if sampling else None,
        sample_every_seconds=sampling.every_seconds if sampling else None,
        sample_late_at=sampling.late_at if sampling else None,
        last_cleanup_at=cleanup.last_at if cleanup else None,
        cleanup_every_seconds=cleanup.every_seconds if cleanup else None,
        cleanup_late_at=cleanup.late_at if cleanup else None,
        backlog_sessions=backlog.sessions if backlog else None,
        oldest_overdue_seconds=(backlog.oldest_overdue_seconds or 0.0) if backlog else None,
        peak_sessions=_peak(now),
        session_ttl_seconds=get_config().session_ttl,
    )


def _backlog(backend: StateBackend) -> Backlog | None:
    try:
        return backend.backlog()
    except BackendError:
        return None  # It went away since; the next check says so.


def _known_nodes(now: datetime) -> list[str]:
    rows = MemorySample.objects.filter(sampled_at__gte=now - KNOWN_SPAN)
    try:
        return read(MemorySample, lambda: sorted(set(rows.order_by().values_list("node", flat=True))))
    except DATABASE_ERRORS as error:
        unavailable(error)
        return []


def _losses(findings: Findings) -> list[LossReading]:
    """Return what was found lost since the check before, clean-ups included; what this check found if nobody knows."""
    if findings.previous_at is not None:
        rows = SessionLoss.objects.filter(found_at__gt=findings.previous_at)
        try:
            return _readings(read(SessionLoss, lambda: list(rows)))
        except DATABASE_ERRORS as error:
            unavailable(error)
    return [
        LossReading(node=losses.node, cause=losses.cause, sessions=losses.sessions, estimated=losses.estimated)
        for losses in findings.tally.found
    ]


def _readings(rows: Iterable[SessionLoss]) -> list[LossReading]:
    return [
        LossReading(node=row.node, cause=row.cause, sessions=row.sessions, estimated=row.estimated) for row in rows
    ]


def _peak(now: datetime) -> int | None:
    """Return the sum of what each server held at its busiest; on a cluster that is a little more than together."""
    rows = MemorySample.objects.filter(sampled_at__gte=now - PEAK_SPAN, sessions__isnull=False).order_by()
    try:
        peaks = read(MemorySample, lambda: list(rows.values("node").annotate(peak=Max("sessions"))))
    except DATABASE_ERRORS as error:
        unavailable(error)
        return None
    return sum(row["peak"] for row in peaks) if peaks else None
