"""The rules about the store as a whole and about the maintenance: does it answer, and does everything run?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from djust.monitoring.alerting.judgement import CRITICAL, Finding, Rule, calm, unknown
from djust.monitoring.reading import Reading
from djust.monitoring.wording import counted, duration

#: How many runs of its schedule a task may miss.
RUNS_MISSED = 3
_RUNS = (
    "Check that beat, a worker and the broker run, that the schedule is on, and that a worker takes the queue that "
    "the task goes to; the history of runs says what became of the last ones."
)


def store_unreachable(_rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge whether the store answers."""
    if reading.unreachable is None:
        yield calm()
        return
    yield Finding(
        severity=CRITICAL,
        summary=f"The store cannot be reached: {reading.unreachable.rstrip('.')}.",
        advice="See that Redis runs and that REDIS_URL, network, password and certificate are right. What the other "
        "rules say of the store is not known until it answers.",
    )


def sampling_stopped(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge whether samples are taken as often as the schedule has it."""
    task = _Task("sample", reading.last_sample_at, reading.sample_every_seconds, reading.sample_late_at)
    yield _judge_runs(rule, task, reading.now)


def cleanup_stopped(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge whether clean-ups end well as often as the schedule has it."""
    task = _Task("clean-up", reading.last_cleanup_at, reading.cleanup_every_seconds, reading.cleanup_late_at)
    yield _judge_runs(rule, task, reading.now)


@dataclass(frozen=True, slots=True)
class _Task:
    """What is known of the runs of a task, see ``Reading``."""

    name: str
    last_at: datetime | None
    every_seconds: float | None
    late_at: datetime | None


def _judge_runs(rule: Rule, task: _Task, now: datetime) -> Finding:
    if task.every_seconds is None or task.late_at is None:
        return calm(summary=f"No schedule asks for a {task.name}.")
    schedule = f"the schedule asks for one every {duration(task.every_seconds)}"
    if task.last_at is None:
        if now <= task.late_at:
            return calm(summary=f"There was no {task.name} yet.")
        # The schedule may be older than beat and workers are, so it is given its time from the first look on.
        limits = [seconds for seconds in (rule.critical, rule.warning) if seconds is not None]
        return Finding(
            severity=rule.severities[-1],
            summary=f"There was never a {task.name}, and {schedule}.",
            advice=_RUNS,
            for_seconds=max(rule.for_seconds, *limits, RUNS_MISSED * task.every_seconds),
        )
    age = max(0.0, (now - task.last_at).total_seconds())
    # It is not late before the schedule has asked for several.
    allowed = (task.late_at - task.last_at).total_seconds()
    warning, critical = (
        None if seconds is None else max(seconds, allowed) for seconds in (rule.warning, rule.critical)
    )
    return rule.weigh(
        age,
        warning=warning,
        critical=critical,
        summary=f"The last {task.name} ended {duration(age)} ago, and {schedule}.",
        advice=_RUNS,
    )


def cleanup_behind(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge how long expired sessions have been waiting for a clean-up."""
    overdue = reading.oldest_overdue_seconds
    if overdue is None:
        yield unknown(summary="The backlog is not known.")
        return
    backlog = reading.backlog_sessions
    waiting = "Expired sessions wait" if backlog is None else f"{counted(backlog, 'expired session')} waiting"
    yield rule.weigh(
        overdue,
        warning=rule.warning,
        critical=rule.critical,
        summary=f"{waiting} for a clean-up, the longest for {duration(overdue)}.",
        advice="See how its last runs ended, and let it run more often or for longer (CLEANUP_BUDGET_SECONDS).",
    )
