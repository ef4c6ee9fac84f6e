"""What beat is told to send, and when it is due: the enabled rows of django-celery-beat for some tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import ParseException
from django.apps import apps
from django.utils import timezone

from djust.database import read

BEAT_APP = "django_celery_beat"

#: Beat writes down what it has sent every three minutes. A row that was changed later than this after the last
#: message was changed by somebody else.
SYNC = timedelta(seconds=300)

#: Sunrise comes once a day.
_SOLAR_SECONDS = 86_400.0

#: What did not run for so many of its intervals is late.
MISSED = 3

_KINDS = ("interval", "crontab", "solar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An enabled row that comes again and again."""

    #: The row's name.
    name: str
    #: Celery's name of the task.
    task: str
    #: Seconds from one time it is due to the next; of a crontab from the next time to the one after.
    every_seconds: float
    #: Since when it is as it is.
    since: datetime
    #: When beat sent it last, by what beat wrote down; ``None``: not since it is as it is.
    sent_at: datetime | None
    #: The first time it is due after a moment.
    next_due: Callable[[datetime], datetime]

    def due(self, after: datetime, times: int) -> datetime:
        """Return when it will have been due so many times after a moment."""
        for _ in range(times):
            after = self.next_due(after)
        return after

    def next_after(self, due: datetime, now: datetime) -> datetime:
        """Return the first time from now on, counted from one at which it was due."""
        while due <= now:
            due = self.next_due(due)
        return due

    def sent_in_vain(self, ran_at: datetime | None, now: datetime) -> bool:
        """Return whether beat has sent what nobody ran, and not so long ago that it may have stopped as well.

        Args:
            ran_at: When the task ran last; ``None``: never.
            now: The current time.
        """
        if self.sent_at is None or now > self.due(self.sent_at, MISSED) + SYNC:
            return False
        return ran_at is None or self.sent_at > self.due(ran_at, 1)


def read_schedules(tasks: Iterable[str], now: datetime) -> list[Schedule]:
    """Return the schedules of tasks, in one query; none without django-celery-beat.

    Args:
        tasks: Celery's names.
        now: The current time.

    Raises:
        DatabaseError, InterfaceError: The database is away, or the tables are not there yet.
    """
    if not apps.is_installed(BEAT_APP):
        return []
    model = apps.get_model(BEAT_APP, "PeriodicTask")
    rows = model.objects.filter(task__in=tuple(tasks), enabled=True, one_off=False).select_related(*_KINDS)
    return [found for row in read(model, lambda: list(rows)) if (found := schedule_of(row, now)) is not None]


def schedule_of(row: Any, now: datetime) -> Schedule | None:
    """Return what an enabled ``PeriodicTask`` means; ``None``: it has not begun, is over, or is never due."""
    if (row.start_time is not None and row.start_time > now) or (row.expires is not None and row.expires <= now):
        return None
    try:
        next_due = _rule(row)
        if next_due is None:
            return None
        first = next_due(now)
        every = (next_due(first) - first).total_seconds()
    except (OverflowError, ParseException, RuntimeError, ValueError):
        return None  # A crontab that is no crontab, or the 31st of February.
    return Schedule(
        name=row.name,
        task=row.task,
        every_seconds=every,
        since=_since(row, every),
        sent_at=row.last_run_at,
        next_due=next_due,
    )


def _rule(row: Any) -> Callable[[datetime], datetime] | None:
    if row.interval is not None:
        every: timedelta = row.interval.schedule.run_every
        return (lambda after: after + every) if every > timedelta() else None
    if row.crontab is not None:
        schedule = row.crontab.schedule
        return lambda after: _crontab_due(schedule, after)
    if row.solar is not None:
        return lambda after: after + timedelta(seconds=_SOLAR_SECONDS)
    return None


def _crontab_due(schedule: Any, after: datetime) -> datetime:
    aware = timezone.make_aware(after) if timezone.is_naive(after) else after
    last, remaining, _ = schedule.remaining_delta(aware)
    due: datetime = (last + remaining).astimezone(UTC)
    return timezone.make_naive(due) if timezone.is_naive(after) else due


def _since(row: Any, every_seconds: float) -> datetime:
    """Return since when a row is as it is. Beat's own writes change ``date_changed`` too."""
    changed: datetime = row.date_changed
    if row.last_run_at is None or changed - row.last_run_at > SYNC:
        return changed
    try:
        first: datetime = row.last_run_at - timedelta(seconds=every_seconds) * row.total_run_count
    except OverflowError:
        return changed  # The runs were counted at another pace.
    return first
