"""Finds the sessions that were lost, each exactly once: looks at the index in slices, and reports what is gone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from djust.monitoring.memo import WalkMemo
from djust.state_backend.announce import announce
from djust.state_backend.base import StateBackend
from djust.state_backend.monitor import LossWalk, StoreMonitor, WalkStep
from djust.tally import LossTally

#: Parts that the index has, which a whole walk visits.
SHARDS = 64

#: Reports claimed at once: as many as a killed process can lose.
CLAIM_SIZE = 25

#: Seconds that a walk works when nothing points to a loss, and slices that it looks at even if they take longer: a
#: small store is looked at as a whole each time.
QUIET_SECONDS = 0.2
QUIET_SLICES = SHARDS


@dataclass(slots=True)
class WalkCount:
    """What a walk did."""

    checked: int = 0
    lost: int = 0
    #: Sessions reported that had expired; they waited to be reported.
    expired: int = 0
    #: Signal receivers that raised.
    errors: int = 0
    #: Everything was looked at since the last eviction.
    complete: bool = False


def walk(
    backend: StateBackend,
    monitor: StoreMonitor,
    memo: WalkMemo,
    tally: LossTally,
    count: WalkCount,
    budget_seconds: float,
) -> None:
    """Look for lost sessions from where the last walk ended, and report them.

    ``memo``, ``tally`` and ``count`` are kept up to date all along, so that they are right also when the store goes
    away in the middle.

    Args:
        backend: Whose sessions they are; its class sends the signals.
        monitor: Of that backend.
        memo: Where to go on. Where nothing presses, the walk takes little time and goes round and round.
        tally: Counts what was lost.
        count: Counts what was done.
        budget_seconds: How long to work at most.

    Raises:
        BackendUnavailable: The store went away.
    """
    started = time.monotonic()
    deadline = started + budget_seconds
    enough = deadline if memo.pressing else min(deadline, started + QUIET_SECONDS)
    known = {True: "evicted", False: "unknown"}
    steps = monitor.open_walk({node: known[seen] for node, seen in memo.evicted.items() if seen is not None})
    steps.find_waiting()
    kept = _report(backend, steps, tally, count, deadline)
    if memo.shards_left == 0:
        memo.shards_left = SHARDS
    slices = 0
    while kept and memo.shards_left and time.monotonic() < (deadline if slices < QUIET_SLICES else enough):
        slices += 1
        step = steps.step(memo.cursor)
        count.checked += step.checked
        if step.lost:
            kept = _report(backend, steps, tally, count, deadline)
        _advance(memo, step)
    steps.close()
    for node, sessions in (steps.nameless() if kept else {}).items():
        count.lost += sessions
        tally.add_nameless(node, sessions)
    tally.keep()
    count.complete = memo.shards_left == 0


def _advance(memo: WalkMemo, step: WalkStep) -> None:
    if _shard(step.cursor) != _shard(memo.cursor or "0:0"):
        memo.shards_left -= 1
    memo.cursor = step.cursor


def _shard(cursor: str | None) -> str | None:
    return None if cursor is None else cursor.partition(":")[0]


def _report(backend: StateBackend, steps: LossWalk, tally: LossTally, count: WalkCount, deadline: float) -> bool:
    """Report what waits, and return whether it could be written down. What could not goes on waiting in the store."""
    while time.monotonic() < deadline and (gone := steps.claim(CLAIM_SIZE)):
        count.errors += announce(type(backend), gone)
        for session in gone:
            if session.expired:
                count.expired += 1
            else:
                count.lost += 1
                tally.add(session)
        # Before the next claim says that these were reported.
        if not tally.keep():
            return False
    return True
