"""What the database knows about a stretch of time, in a few hundred intervals however long it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from statistics import mean
from typing import Any

from django.db.models import Avg, BigIntegerField, Count, F, FloatField, Max, QuerySet, Sum, Value, Window
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, NullIf, RowNumber

from djust.admin.ranges import Range
from djust.models import MaintenanceRun, MemorySample, SessionLoss


@dataclass(slots=True)
class Interval:
    """One interval. ``None``: nobody looked, or the server does not say."""

    at: datetime
    #: The sample of the fullest moment of the fullest server.
    node: str = ""
    used_bytes: int | None = None
    limit_bytes: int | None = None
    usage: float | None = None
    #: All servers together.
    evicted: int | None = None
    lost: int | None = None
    #: Mean over the interval.
    sessions: float | None = None
    #: Clean-ups, what they removed, and the most that one left.
    cleanups: int = 0
    removed: int | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The intervals in which something was written down, oldest first."""

    range: Range
    now: datetime
    intervals: list[Interval]
    nodes: frozenset[str] = frozenset()
    #: The latest sample of each server.
    latest: Sequence[MemorySample] = ()

    @property
    def sessions_now(self) -> int | None:
        """The live sessions of the last sample, on all servers."""
        last = max((sample.sampled_at for sample in self.latest), default=None)
        counts = [sample.sessions for sample in self.latest if sample.sampled_at == last]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None


def fullest_of(samples: Iterable[MemorySample]) -> MemorySample | None:
    """Return the sample with the highest usage, of those that know what is used."""
    known = (sample for sample in samples if sample.used_bytes is not None)
    return max(known, key=lambda sample: (sample.usage or 0, sample.used_bytes or 0), default=None)


def read_timeline(span: Range, now: datetime, latest: Sequence[MemorySample] = ()) -> Timeline:
    """Read the intervals of a stretch of time that ends now, in four queries.

    Args:
        span: How long it is.
        now: Its end.
        latest: The latest sample of each server.
    """
    intervals: dict[datetime, Interval] = {}

    def at(row: dict[str, Any]) -> Interval:
        begins = span.interval(row["cut"])
        return intervals.setdefault(begins, Interval(begins))

    nodes = set()
    sessions: dict[datetime, float] = defaultdict(float)
    for row in _memory(span, now):
        nodes.add(row["node"])
        interval = at(row)
        interval.evicted = _add(interval.evicted, row["evicted_keys"])
        if row["looked"]:
            interval.lost = 0  # What was found is added below.
        if row["mean_sessions"] is not None:
            sessions[row["cut"]] += row["mean_sessions"]
    for begins, cuts in groupby(sorted(sessions), key=span.interval):
        intervals[begins].sessions = mean(sessions[cut] for cut in cuts)
    for row in _fullest(span, now):
        _keep_fullest(at(row), row)
    for row in _cut(SessionLoss.objects.all(), "found_at", span, now).annotate(total=Sum("sessions")):
        interval = at(row)
        interval.lost = _add(interval.lost, row["total"])
    for row in _cleanups(span, now):
        interval = at(row)
        interval.cleanups += row["runs"]
        interval.removed = _add(interval.removed, row["total"])
        if row["left"] is not None:
            interval.left = max(interval.left or 0, row["left"])
    return Timeline(span, now, [intervals[begins] for begins in sorted(intervals)], frozenset(nodes), latest)


def _cut(rows: QuerySet[Any], moment: str, span: Range, now: datetime, *also: str) -> Any:
    """Group rows by what the database cuts their moment to, to be added up by ``annotate``."""
    return _inside(rows, moment, span, now).values("cut", *also)


def _inside(rows: QuerySet[Any], moment: str, span: Range, now: datetime) -> Any:
    inside = rows.filter(**{f"{moment}__gte": span.start(now), f"{moment}__lte": now})
    return inside.order_by().annotate(cut=span.truncate(moment, tzinfo=UTC))


def _memory(span: Range, now: datetime) -> Iterable[dict[str, Any]]:
    """Group samples by server and time.

    Old samples of two servers need not be of the same moment, so what all servers hold is the sum of their means over
    a time in which hardly one comes or goes.
    """
    rows: Iterable[dict[str, Any]] = _cut(MemorySample.objects.all(), "sampled_at", span, now, "node").annotate(
        evicted_keys=Sum("evicted"),
        looked=Count("lost_estimate"),
        mean_sessions=Avg("sessions"),
    )
    return rows


def _fullest(span: Range, now: datetime) -> Iterable[dict[str, Any]]:
    """Return the one sample of each cut that is the fullest: what is used only means something beside its limit."""
    usage = Cast("used_bytes", FloatField()) / NullIf(F("limit_bytes"), Value(0))
    fullness = (F("share").desc(nulls_last=True), F("used_bytes").desc(nulls_last=True))
    place = Window(RowNumber(), partition_by=[F("cut")], order_by=fullness)
    samples = _inside(MemorySample.objects.filter(used_bytes__isnull=False), "sampled_at", span, now)
    rows: Iterable[dict[str, Any]] = (
        samples.annotate(share=usage)
        .annotate(place=place)
        .filter(place=1)
        .values("cut", "node", "used_bytes", "limit_bytes", "share")
    )
    return rows


def _cleanups(span: Range, now: datetime) -> Iterable[dict[str, Any]]:
    left = Cast(KeyTextTransform("remaining", "figures"), BigIntegerField())
    runs = MaintenanceRun.objects.filter(task=MaintenanceRun.Task.CLEANUP).exclude(
        outcome__in=(MaintenanceRun.Outcome.SKIPPED, MaintenanceRun.Outcome.NOT_APPLICABLE)
    )
    rows: Iterable[dict[str, Any]] = _cut(runs, "started_at", span, now).annotate(
        runs=Count("pk"), total=Sum("removed"), left=Max(left)
    )
    return rows


def _keep_fullest(interval: Interval, row: dict[str, Any]) -> None:
    def fullness(usage: float | None, used: int | None) -> tuple[float, int]:
        return (-1 if usage is None else usage, -1 if used is None else used)

    if fullness(row["share"], row["used_bytes"]) > fullness(interval.usage, interval.used_bytes):
        interval.node, interval.usage = row["node"], row["share"]
        interval.used_bytes, interval.limit_bytes = row["used_bytes"], row["limit_bytes"]


def _add(first: int | None, second: int | None) -> int | None:
    return second if first is None else first + (second or 0)
