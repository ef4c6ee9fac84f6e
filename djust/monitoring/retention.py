"""Thins samples with age, so that a year of them fits into a few megabytes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from djust.conf import get_config
from djust.models import MemorySample, MonitorState, SessionLoss

#: From which age on there is one sample left for each of which time.
LEVELS = (
    (timedelta(days=2), timedelta(minutes=15)),
    (timedelta(days=14), timedelta(hours=1)),
)
#: How much of the past one call thins at most.
AT_ONCE = timedelta(days=1)

_STATE = "thinning"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_ADDED = ("span_seconds", "evicted", "expired", "hits", "misses")
_HIGHEST = ("lost_estimate", "lost_margin", "clients")


def thin(now: datetime | None = None) -> int:
    """Merge samples that have grown old, remove those that are too old, and return how many rows went.

    The sample that used most memory stays for each stretch of time; what was counted is added up, so rates stay
    right.
    """
    now = now or timezone.now()
    cutoff = now - timedelta(days=get_config().sample_history_days)
    SessionLoss.objects.filter(found_at__lt=cutoff).delete()
    removed = MemorySample.objects.filter(sampled_at__lt=cutoff).delete()[0]
    state, _ = MonitorState.objects.get_or_create(store=_STATE)
    for number, (age, stretch) in enumerate(LEVELS):
        until = _floor(now - age, stretch)
        since = _thinned_until(state, str(number))
        if since is not None and since >= until:
            continue
        rows = MemorySample.objects.filter(sampled_at__lt=until)
        first = _first(rows if since is None else rows.filter(sampled_at__gte=since))
        if first is not None:
            start = _floor(first, stretch)
            until = min(until, start + AT_ONCE)
            removed += _merge(rows.filter(sampled_at__gte=start, sampled_at__lt=until), stretch)
        state.data[str(number)] = until.isoformat()
        state.save(update_fields=["data", "updated_at"])
    return removed


def _thinned_until(state: MonitorState, level: str) -> datetime | None:
    value = state.data.get(level)
    until = parse_datetime(value) if value else None
    if until is None or timezone.is_aware(until) == settings.USE_TZ:
        return until
    # It was written down when USE_TZ was another.
    return timezone.make_aware(until) if settings.USE_TZ else timezone.make_naive(until)


def _first(rows: QuerySet[MemorySample]) -> datetime | None:
    return rows.order_by("sampled_at").values_list("sampled_at", flat=True).first()


def _merge(rows: QuerySet[MemorySample], stretch: timedelta) -> int:
    removed = 0
    ordered = rows.order_by("node", "sampled_at")
    for _, group in groupby(ordered, key=lambda row: (row.node, _floor(row.sampled_at, stretch))):
        several = list(group)
        if len(several) > 1:
            kept = _merged(several)
            kept.save()
            removed += MemorySample.objects.filter(pk__in=[row.pk for row in several if row is not kept]).delete()[0]
    return removed


def _merged(rows: list[MemorySample]) -> MemorySample:
    kept = max(rows, key=lambda row: row.used_bytes or 0)
    for name in _ADDED:
        setattr(kept, name, _total(getattr(row, name) for row in rows))
    for name in _HIGHEST:
        setattr(kept, name, max((value for row in rows if (value := getattr(row, name)) is not None), default=None))
    kept.counters = {}
    return kept


def _total(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _floor(moment: datetime, stretch: timedelta) -> datetime:
    # Without USE_TZ all moments are naive.
    epoch = _EPOCH if timezone.is_aware(moment) else _EPOCH.replace(tzinfo=None)
    return moment - (moment - epoch) % stretch
