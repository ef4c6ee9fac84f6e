"""The rules about the store as a whole and about the maintenance: does it answer, and does everything run?"""

from __future__ import annotations

from collections.abc import Iterator
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
    yield _judge_runs(rule, reading, "sample", reading.last_sample_at, reading.sample_every_seconds)


def cleanup_stopped(rule: Rule, reading: Reading) -> Iterator[Finding]:
    """Judge whether clean-ups end well as often as the schedule has it."""
    yield _judge_runs(rule, reading, "clean-up", reading.last_cleanup_at, reading.cleanup_every_seconds)


def _judge_runs(rule: Rule, reading: Reading, what: str, last: datetime | None, every: float | None) -> Finding:
    if every is None:
        return calm(summary=f"No schedule asks for a {what}.")
    warning, critical = (
        None if seconds is None else max(seconds, RUNS_MISSED * every) for seconds in (rule.warning, rule.critical)
    )
    schedule = f"the schedule asks for one every {duration(every)}"
    if last is None:
        # Nobody knows since when the schedule exists, so it is given that time from the first look on.
        limits = [seconds for seconds in (critical, warning) if seconds is not None]
        return Finding(
            severity=rule.severities[-1] if limits else None,
            calm=not limits,
            summary=f"There was never a {what}, and {schedule}.",
            advice=_RUNS,
            for_seconds=max(rule.for_seconds, *limits) if limits else None,
        )
    age = max(0.0, (reading.now - last).total_seconds())
    return rule.weigh(
        age,
        warning=warning,
        critical=critical,
        summary=f"The last {what} ended {duration(age)} ago, and {schedule}.",
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
