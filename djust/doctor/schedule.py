"""The schedule: what is enabled, where its messages go, and when beat was last seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.utils import timezone

from djust.doctor.findings import Finding, Item, ok, problem, skipped, warning
from djust.models import MaintenanceRun
from djust.monitoring.wording import duration
from djust.schedule import BEAT_APP, SEEDS, queue_of
from djust.tasks.queue import TASKS

ITEMS = (Item.SCHEDULE, Item.BEAT, Item.BEATS)
#: Beat writes when it asked every three minutes; the fourth is its own patience.
GRACE_SECONDS = 240.0
#: A worker that ran something within this time is at work.
RECENT_SECONDS = 300.0
#: Intervals that are looked back on to see whether two beats ask, and how often one may have asked in them.
INTERVALS, MOST_ASKED = 10, 15
_ADMIN = "In the admin, under Periodic tasks"
_NEEDED = tuple(seed.task for seed in SEEDS if seed.enabled)
_KINDS = {str(task.name): kind for kind, task in TASKS.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """An enabled row of the schedule."""

    name: str
    task: str
    #: ``None``: by the clock on the wall.
    every_seconds: float | None
    #: The latest sign of life: when beat asked, or when the row was made or changed.
    since: datetime
    #: When beat asked last, as far as is known.
    asked_at: datetime | None
    #: The queue that the row names itself, or its route.
    queue: str | None

    def overdue_seconds(self, now: datetime, beat_seen_at: datetime | None) -> float | None:
        """Return for how long a beat that was seen last then should have asked; negative while there is time."""
        if self.every_seconds is None:
            return None
        since = self.since if beat_seen_at is None else max(self.since, beat_seen_at)
        return (now - since).total_seconds() - self.every_seconds


def enabled_rows() -> list[Row]:
    """Return the enabled rows of djust's tasks, the most frequent first.

    Raises:
        DatabaseError: The database is away.
    """
    model = apps.get_model(BEAT_APP, "PeriodicTask")
    found = model.objects.filter(enabled=True, task__in=_KINDS).select_related("interval")
    rows = [_row(entry) for entry in found]
    return sorted(rows, key=lambda row: row.every_seconds or float("inf"))


def _row(entry: Any) -> Row:
    asked = [moment for moment in (entry.last_run_at, _last_by_beat(_KINDS[entry.task])) if moment is not None]
    every = None
    if entry.interval is not None:
        every = timedelta(**{entry.interval.period: entry.interval.every}).total_seconds()
    return Row(
        name=entry.name,
        task=entry.task,
        every_seconds=every,
        since=max([entry.date_changed, *asked]),
        asked_at=max(asked, default=None),
        queue=entry.queue or queue_of(entry.task),
    )


def _last_by_beat(kind: str) -> datetime | None:
    runs = MaintenanceRun.objects.filter(task=kind, trigger=MaintenanceRun.Trigger.BEAT)
    return runs.values_list("started_at", flat=True).first()


def last_run_ago() -> str | None:
    """Return how long ago a worker began to run something, in words; ``None`` if that was not just now."""
    runs = MaintenanceRun.objects.exclude(trigger=MaintenanceRun.Trigger.COMMAND)
    started = runs.values_list("started_at", flat=True).first()
    ago = None if started is None else (timezone.now() - started).total_seconds()
    return None if ago is None or ago > RECENT_SECONDS else duration(ago)


def queues_in_use(rows: Iterable[Row]) -> Mapping[str, Sequence[str]]:
    """Return the tasks that go to each queue: by the schedule, and by "Run now"."""
    queues: dict[str, set[str]] = defaultdict(set)
    for task, queue in [*((row.task, row.queue) for row in rows), *((task, queue_of(task)) for task in _KINDS)]:
        if queue is not None:
            queues[queue].add(task)
    return {queue: sorted(tasks) for queue, tasks in queues.items()}


def task_names() -> Sequence[str]:
    """Return the names of the tasks of djust."""
    return sorted(_KINDS)


def examine(rows: Sequence[Row], *, beats: Sequence[str] = ()) -> Iterable[Finding]:
    """Judge the schedule and its beat.

    Args:
        rows: The enabled rows.
        beats: Those that answered.
    """
    yield _enabled(rows)
    if not rows and not beats:
        yield from skipped((Item.BEAT, Item.BEATS), "Nothing is scheduled.")
        return
    yield _beat(rows, beats)
    yield _beats(rows, beats)


def _enabled(rows: Sequence[Row]) -> Finding:
    tasks = {row.task for row in rows}
    missing = [task for task in _NEEDED if task not in tasks]
    if not missing:
        text = ", ".join(f"{row.name}{_pace(row)}" for row in rows)
        return ok(Item.SCHEDULE, f"Enabled: {text}.")
    advice = f"{_ADMIN}, enable a row for it, or add one. See docs/schedule.md."
    command = MaintenanceRun.objects.filter(
        task=MaintenanceRun.Task.CLEANUP,
        trigger=MaintenanceRun.Trigger.COMMAND,
        started_at__gt=timezone.now() - timedelta(days=1),
    ).exists()
    note = " manage.py cleanup_sessions cleaned up within the last day." if command else ""
    if len(missing) == len(_NEEDED):
        text = "No schedule is enabled: nobody asks for clean-ups, samples or alerts."
        return (warning if command else problem)(Item.SCHEDULE, f"{text}{note}", advice)
    return warning(Item.SCHEDULE, f"No schedule is enabled for {', '.join(missing)}.{note}", advice)


def _pace(row: Row) -> str:
    return "" if row.every_seconds is None else f" every {duration(row.every_seconds)}"


def _beat(rows: Sequence[Row], beats: Sequence[str]) -> Finding:
    if beats:
        return ok(Item.BEAT, f"It answers: {', '.join(beats)}.")
    now = timezone.now()
    start = "Start one: celery -A PROJECT beat --scheduler django_celery_beat.schedulers:DatabaseScheduler."
    asked = max((row.asked_at for row in rows if row.asked_at is not None), default=None)
    late = max((overdue for row in rows if (overdue := row.overdue_seconds(now, asked)) is not None), default=0.0)
    if asked is None:
        text = "Beat has never been seen."
        if late > GRACE_SECONDS:
            return problem(Item.BEAT, text, start)
        return warning(Item.BEAT, text, f"{start} If it was started a moment ago, look again in four minutes.")
    ago = duration((now - asked).total_seconds())
    if late <= GRACE_SECONDS:
        return ok(Item.BEAT, f"Last seen {ago} ago.")
    return problem(
        Item.BEAT,
        f"Last seen {ago} ago, and overdue: it asks for nothing any more.",
        f"{start} If it runs, see that it uses the DatabaseScheduler and this database.",
    )


def _beats(rows: Sequence[Row], beats: Sequence[str]) -> Finding:
    advice = "Run one beat. Two do no harm to the sessions, but every task of the project is sent twice."
    if len(beats) > 1:
        return warning(Item.BEATS, f"{len(beats)} beats answer: {', '.join(beats)}.", advice)
    frequent = next((row for row in rows if row.every_seconds is not None), None)
    if frequent is not None and frequent.every_seconds is not None:
        since = timezone.now() - timedelta(seconds=INTERVALS * frequent.every_seconds)
        asked = MaintenanceRun.objects.filter(
            task=_KINDS[frequent.task], trigger="beat", triggered_by=frequent.name, started_at__gt=since
        ).count()
        if asked > MOST_ASKED:
            text = f"{frequent.name} ran {asked} times where {INTERVALS} were due: several beats seem to be at work."
            return warning(Item.BEATS, text, advice)
    return ok(Item.BEATS, "No sign of a second one.")
