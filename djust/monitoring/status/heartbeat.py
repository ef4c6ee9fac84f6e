"""The dead man's switch: whether maintenance still goes on, told from the database alone.

Whoever asks needs no worker, no beat, no broker and no store, so what has stopped cannot keep quiet about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Subquery
from django.utils import timezone

from djust.database import DATABASE_ERRORS, read
from djust.models import MaintenanceRun, MemorySample
from djust.monitoring.status.schedules import MISSED, Schedule, read_schedules
from djust.monitoring.wording import duration

_TASK = MaintenanceRun.Task
_OUTCOME = MaintenanceRun.Outcome

#: The tasks that are looked after, by the name that beat sends them under.
WATCHED = {
    _TASK.CLEANUP: "djust.tasks.cleanup_expired_sessions",
    _TASK.SAMPLE_MEMORY: "djust.tasks.sample_redis_memory",
    _TASK.CHECK_EVICTIONS: "djust.tasks.check_evictions",
}

#: What did not run for ``MISSED`` of its intervals, and for at least so long, is late.
PATIENCE = timedelta(seconds=180)

#: A run that had nothing to do, or left the work to another, has shown that worker, beat and broker work.
_ALIVE = (_OUTCOME.DONE, _OUTCOME.PARTIAL, _OUTCOME.SKIPPED, _OUTCOME.NOT_APPLICABLE)
_BROKEN = (_OUTCOME.FAILED, _OUTCOME.KILLED)

OFF = "No schedule is enabled, so nothing cleans up or looks after the store: see Periodic tasks in the admin."
AWAY = "The database does not say when maintenance last ran: check that it can be reached and that migrate was run."
NOT_YET = "No task has run yet. That is as it should be for the first minutes; then a worker and one beat must run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """How one task keeps its schedule."""

    task: MaintenanceRun.Task
    #: ``"ok"``, ``"late"``, ``"failing"`` (it is late because every run fails), ``"never"`` (it has not run, and need
    #: not have by now) or ``"off"`` (no schedule of it is enabled).
    status: str
    #: When it last ran to a good end, or took a sample; ``None``: never.
    last_at: datetime | None
    #: How often it is scheduled; ``None``: not at all.
    every_seconds: float | None
    #: From when on it is late; ``None``: not scheduled.
    late_at: datetime | None
    #: What is wrong and what to check; empty: nothing.
    detail: str = ""

    @property
    def late(self) -> bool:
        """Whether it should have run by now."""
        return self.status in ("late", "failing")

    @property
    def never(self) -> bool:
        """Whether it has never run."""
        return self.last_at is None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-like values."""
        return {
            "status": self.status,
            "last_at": None if self.last_at is None else self.last_at.isoformat(),
            "every_seconds": self.every_seconds,
            "late": self.late,
            "never": self.never,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Whether maintenance goes on."""

    #: ``"ok"``, ``"late"``, ``"never"``, ``"off"`` or ``"unknown"``: the database does not say.
    status: str
    #: That in a sentence, with what to check.
    detail: str
    #: One for each watched task; none if unknown.
    beats: tuple[Beat, ...] = ()

    def beat(self, task: str) -> Beat | None:
        """Return that of one task."""
        return next((beat for beat in self.beats if beat.task == task), None)

    @property
    def stopped(self) -> bool:
        """Whether nothing runs any more, rather than one task."""
        scheduled = [beat for beat in self.beats if beat.status != "off"]
        return self.status == "late" and all(beat.status == "late" for beat in scheduled)

    @property
    def silent(self) -> bool:
        """Whether a task that should have run has not even failed."""
        return any(beat.status == "late" for beat in self.beats)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-like values."""
        return {
            "status": self.status,
            "detail": self.detail,
            "tasks": {beat.task.value: beat.as_dict() for beat in self.beats},
        }


@dataclass(frozen=True, slots=True)
class _Runs:
    """The last run of each kind of outcome of one task."""

    well_at: datetime | None
    broken: MaintenanceRun | None


def heartbeat(now: datetime | None = None) -> Heartbeat:
    """Return whether maintenance goes on. Never raises for a database that is away.

    Args:
        now: The current time, for tests.
    """
    now = now or timezone.now()
    try:
        runs = read(MaintenanceRun, _read_runs)
        sampled_at = read(MemorySample, lambda: MemorySample.objects.values_list("sampled_at", flat=True).first())
        schedules = read_schedules(WATCHED.values(), now)
    except (*DATABASE_ERRORS, ImproperlyConfigured):  # The latter: a project without a database.
        return Heartbeat(status="unknown", detail=AWAY)
    beats = []
    for task, name in WATCHED.items():
        seen = _Runs(
            well_at=_latest(
                *(_ended_at(run) for run in runs if run.task == task and run.outcome in _ALIVE),
                sampled_at if task == _TASK.SAMPLE_MEMORY else None,
            ),
            broken=max(
                (run for run in runs if run.task == task and run.outcome in _BROKEN), key=_ended_at, default=None
            ),
        )
        beats.append(_beat(task, seen, [schedule for schedule in schedules if schedule.task == name], now))
    return _together(beats, schedules, now)


def _read_runs() -> list[MaintenanceRun]:
    """Return the last run of each task and outcome, in one query that looks up each in the index."""
    each: Any = [
        Subquery(MaintenanceRun.objects.filter(task=task, outcome=outcome).order_by("-started_at").values("pk")[:1])
        for task in WATCHED
        for outcome in (*_ALIVE, *_BROKEN)
    ]
    found = MaintenanceRun.objects.filter(pk__in=each).order_by()
    return list(found.only("task", "outcome", "started_at", "duration_ms", "error", "reason"))


def _ended_at(run: MaintenanceRun) -> datetime:
    return run.started_at + timedelta(milliseconds=run.duration_ms or 0)


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _beat(task: MaintenanceRun.Task, runs: _Runs, schedules: Sequence[Schedule], now: datetime) -> Beat:
    if not schedules:
        return Beat(task=task, status="off", last_at=runs.well_at, every_seconds=None, late_at=None)
    # Of several rows for one task, the one that is due first says when it is late.
    late_at, schedule = min(
        ((_late_at(schedule, runs.well_at), schedule) for schedule in schedules), key=lambda p: p[0]
    )
    status, detail = "ok", ""
    if now > late_at:
        status, detail = _trouble(task, runs, schedule, now)
    elif runs.well_at is None:
        status = "never"
    every = min(found.every_seconds for found in schedules)
    return Beat(task=task, status=status, last_at=runs.well_at, every_seconds=every, late_at=late_at, detail=detail)


def _late_at(schedule: Schedule, well_at: datetime | None) -> datetime:
    since = schedule.since if well_at is None else max(well_at, schedule.since)
    return max(schedule.due(since, MISSED), since + PATIENCE)


def _trouble(task: MaintenanceRun.Task, runs: _Runs, schedule: Schedule, now: datetime) -> tuple[str, str]:
    broken = runs.broken
    label = str(task.label)
    since = f"for {_since(runs.well_at, now)}" if runs.well_at else "ever"
    if broken is not None and now <= _late_at(schedule, _ended_at(broken)):
        why = broken.error or broken.reason or broken.outcome
        return "failing", f'No run of "{label}" has succeeded {since}. The last one said: {why}'
    return "late", (
        f'"{label}" has not run {since}: check the row "{schedule.name}" of Periodic tasks, and that a worker '
        "consumes the queue it is sent to."
    )


def _since(moment: datetime, now: datetime) -> str:
    return duration((now - moment).total_seconds())


def _together(beats: Sequence[Beat], schedules: Sequence[Schedule], now: datetime) -> Heartbeat:
    scheduled = [beat for beat in beats if beat.status != "off"]
    if not scheduled:
        return Heartbeat(status="off", detail=_nothing_scheduled(beats, now), beats=tuple(beats))
    late = [beat for beat in scheduled if beat.late]
    if late:
        stopped = all(beat.status == "late" for beat in scheduled)
        detail = _stopped(scheduled, schedules, now) if stopped else " ".join(beat.detail for beat in late)
        return Heartbeat(status="late", detail=detail, beats=tuple(beats))
    if all(beat.status == "never" for beat in scheduled):
        return Heartbeat(status="never", detail=NOT_YET, beats=tuple(beats))
    return Heartbeat(status="ok", detail=" ".join(["What is scheduled runs.", *_remarks(beats)]), beats=tuple(beats))


def _remarks(beats: Sequence[Beat]) -> list[str]:
    kinds = (("off", "Not scheduled"), ("never", "Not run yet"))
    names = [
        (words, ", ".join(str(beat.task.label) for beat in beats if beat.status == kind)) for kind, words in kinds
    ]
    return [f"{words}: {found}." for words, found in names if found]


def _nothing_scheduled(beats: Sequence[Beat], now: datetime) -> str:
    last = _latest(*(beat.last_at for beat in beats))
    return (
        OFF if last is None else f"{OFF} Something ran {_since(last, now)} ago, not by a schedule that is known here."
    )


def _stopped(scheduled: Sequence[Beat], schedules: Sequence[Schedule], now: datetime) -> str:
    """Say what to check when nothing runs. Whether it is beat shows in what beat wrote down."""
    last = _latest(*(beat.last_at for beat in scheduled))
    since = f"Nothing has run for {_since(last, now)}" if last else "Nothing has ever run"
    if any(schedule.sent_in_vain(last, now) for schedule in schedules):
        return (
            f"{since}, though beat has sent messages: check that a worker runs and consumes its queue, "
            "and that the broker answers."
        )
    return f"{since}: check that a worker and one beat are running and that the broker answers."
