"""Puts together what the rules judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Sum

from djust.conf import get_config
from djust.database import DATABASE_ERRORS, read, unavailable, write
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


def gather(
    backend: StateBackend,
    findings: Findings,
    losses: Sequence[LossReading],
    now: datetime,
    unreachable: str | None = None,
) -> Reading:
    """Return everything that a check knows.

    Args:
        backend: The store.
        findings: What the check has found.
        losses: What was found lost and has not been judged yet, see ``unjudged``.
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
        losses=losses,
        index_shards_lost=findings.index_lost,
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


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Losses that the rules have not judged, and the rows that hold them."""

    readings: Sequence[LossReading]
    #: Row: how many sessions it held.
    rows: Mapping[int, int]


def unjudged(findings: Findings) -> Unjudged:
    """Return what was found lost, by this check, by others and by clean-ups, and has not been judged yet."""
    rows = SessionLoss.objects.filter(judged_sessions__lt=F("sessions"))
    try:
        found = read(SessionLoss, lambda: list(rows))
    except DATABASE_ERRORS as error:
        unavailable(error)
        found = []
    readings = [
        LossReading(
            node=row.node, cause=row.cause, sessions=row.sessions - row.judged_sessions, estimated=row.estimated
        )
        for row in found
    ]
    return Unjudged([*readings, *findings.recorder.unwritten(findings.tally)], {row.pk: row.sessions for row in found})


def note_judged(losses: Unjudged) -> None:
    """Write down that these were judged. Whoever is killed before that has them judged once more."""

    def action() -> None:
        for pk, sessions in losses.rows.items():
            SessionLoss.objects.filter(pk=pk, judged_sessions__lt=sessions).update(judged_sessions=sessions)

    if losses.rows:
        write(SessionLoss, action)


def _peak(now: datetime) -> int | None:
    """Return how many sessions all servers held together at the busiest moment of the last week."""
    rows = MemorySample.objects.filter(sampled_at__gte=now - PEAK_SPAN, sessions__isnull=False).order_by()
    busiest = rows.values("sampled_at").annotate(together=Sum("sessions")).order_by("-together")
    try:
        first = read(MemorySample, busiest.first)
    except DATABASE_ERRORS as error:
        unavailable(error)
        return None
    return None if first is None else int(first["together"])
