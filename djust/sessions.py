"""What one can do with all sessions: clean up, and count what is due."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from djust.conf import get_config
from djust.exceptions import BackendError, InvalidArgument
from djust.log import logger
from djust.state_backend.announce import announce
from djust.state_backend.arguments import check_seconds
from djust.state_backend.base import StateBackend, Sweep
from djust.state_backend.registry import get_backend
from djust.tally import LossTally

#: The lease is short, so that a killed process does not hold it for long, and renewed while work goes on.
LEASE_NAME = "cleanup"
#: Share of the lease after which it is renewed.
RENEW_AFTER = 1 / 3

#: Reports claimed at once: as many as a killed process can lose.
CLAIM_SIZE = 25

#: A slice that took longer is followed by one of half its size, one that was faster by a larger one.
SLOW_SLICE_SECONDS = 0.05
FAST_SLICE_SECONDS = 0.01
SMALLEST_SLICE = 25

NOT_APPLICABLE = (
    "The memory backend keeps its sessions inside the web process, which cleans them up itself. "
    "No other process can reach them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupReport:
    """What one clean-up did."""

    #: ``"done"``, ``"partial"`` (something is left), ``"skipped"`` or ``"not_applicable"``.
    outcome: str
    #: Why it is not ``"done"``.
    reason: str | None = None
    backend: str
    #: Expired sessions that this run removed and reported.
    removed: int = 0
    #: Sessions found to have been lost before their time, and reported.
    evicted: int = 0
    scanned: int = 0
    #: Of those scanned: payloads that the store's own expiry had freed already.
    already_gone: int = 0
    #: Of those scanned: sessions that had been renewed, and live on.
    renewed: int = 0
    #: Signal receivers that raised.
    errors: int = 0
    #: Reports that were lost with processes killed while they swept.
    unreported: int = 0
    #: Overdue sessions that are left for the next run.
    remaining: int = 0
    #: How long the longest of those has been overdue.
    oldest_overdue_seconds: float | None = None
    #: The smallest slice that slow answers led to.
    smallest_slice: int | None = None
    duration_ms: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-like values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CleanupProgress:
    """How far a clean-up has come. ``total`` is an estimate made at its start."""

    removed: int
    total: int


def clean_up(
    backend: StateBackend | None = None,
    *,
    ttl: float | None = None,
    trigger: str = "call",
    budget_seconds: float | None = None,
    on_progress: Callable[[CleanupProgress], None] | None = None,
    tally: LossTally | None = None,
) -> CleanupReport:
    """Remove and report every session that is due, the longest overdue first, in bounded slices.

    Args:
        backend: Where; the configured one by default.
        ttl: Also what has been idle for longer than this many seconds. Zero or less removes nothing.
        trigger: Who asked: ``"beat"``, ``"admin"``, ``"command"`` or ``"call"``; for the log.
        budget_seconds: How long to work at most; ``CLEANUP_BUDGET_SECONDS`` by default.
        on_progress: Called after each slice. Asking for it costs one count of what is due.
        tally: Counts the sessions that turn out to have been lost before their time.

    Raises:
        BackendUnavailable: The store went away. What was removed stays removed; the next run goes on.
    """
    backend = backend or get_backend()
    if ttl is not None and check_seconds("ttl", ttl) <= 0:
        reason = "A ttl of zero or less removes nothing."
        return _finish(CleanupReport(outcome="done", reason=reason, backend=backend.name), trigger)
    if backend.process_local and not backend.ever_used:
        logger.warning("cleanup_not_applicable", backend=backend.name, trigger=trigger, reason=NOT_APPLICABLE)
        return CleanupReport(outcome="not_applicable", reason=NOT_APPLICABLE, backend=backend.name)
    budget = get_config().cleanup_budget_seconds if budget_seconds is None else budget_seconds
    if budget <= 0:
        raise InvalidArgument(f"budget_seconds must be greater than zero, not {budget!r}.")
    token = f"lease:{os.urandom(8).hex()}"
    lease_seconds = get_config().cleanup_lease_seconds
    if not backend.acquire_lease(LEASE_NAME, token, lease_seconds):
        reason = "Another clean-up is at work."
        logger.info("cleanup_skipped", backend=backend.name, trigger=trigger, reason=reason)
        return CleanupReport(outcome="skipped", reason=reason, backend=backend.name)
    try:
        logger.info("cleanup_started", backend=backend.name, trigger=trigger, ttl=ttl)
        sweep = backend.open_sweep(ttl=ttl, token=token)
        run = _Run(backend, sweep, token, time.monotonic() + budget, ttl, tally or LossTally(backend))
        if on_progress is not None:
            total = backend.count_due(ttl)
            run.on_progress = lambda removed: on_progress(CleanupProgress(removed, max(total, removed)))
        try:
            return _finish(run.work(), trigger)
        except BackendError as error:
            error.figures = run.counts()
            raise
    finally:
        # A store that went away cannot take the lease back; it runs out by itself.
        with suppress(BackendError):
            backend.release_lease(LEASE_NAME, token)


def warn_if_shorter(ttl: float | None) -> bool:
    """Log a warning if a clean-up with this ``ttl`` ends sessions that are still wanted; return whether it does."""
    configured = get_config().session_ttl
    if ttl is None or ttl <= 0 or 0 < configured <= ttl:
        return False
    logger.warning("cleanup_ttl_shorter", ttl=ttl, session_ttl=configured)
    return True


def count_due(backend: StateBackend | None = None, ttl: float | None = None) -> int:
    """Return how many sessions a clean-up would remove now."""
    backend = backend or get_backend()
    if ttl is not None and check_seconds("ttl", ttl) <= 0:
        return 0
    return backend.count_due(ttl)


def _finish(report: CleanupReport, trigger: str) -> CleanupReport:
    figures = {name: value for name, value in report.as_dict().items() if value is not None}
    logger.info("cleanup_finished", trigger=trigger, **figures)
    return report


@dataclass(slots=True)
class _Run:
    """One clean-up under way."""

    backend: StateBackend
    sweep: Sweep
    token: str
    deadline: float
    ttl: float | None
    tally: LossTally
    on_progress: Callable[[int], None] = lambda removed: None
    slice_size: int = field(default_factory=lambda: get_config().cleanup_slice_size)
    lease_seconds: float = field(default_factory=lambda: get_config().cleanup_lease_seconds)
    smallest: int = 0
    started: float = field(default_factory=time.monotonic)
    renewed_at: float = field(default_factory=time.monotonic)
    reason: str | None = None
    taken_over: bool = False
    removed: int = 0
    evicted: int = 0
    scanned: int = 0
    already_gone: int = 0
    renewed: int = 0
    errors: int = 0

    def work(self) -> CleanupReport:
        largest = self.smallest = self.slice_size
        done = False
        while not done and self.may_go_on():
            asked_at = time.monotonic()
            reaped = self.sweep.reap(self.slice_size)
            self.adapt(time.monotonic() - asked_at, largest)
            self.scanned += reaped.scanned
            self.already_gone += reaped.already_gone
            self.renewed += reaped.renewed
            self.report()
            done = reaped.done
            self.on_progress(self.removed)
        self.sweep.close()
        # What the holder of the lease has in flight is lost only if that holder is: it is not for others to count.
        unreported = 0 if self.taken_over else self.sweep.abandoned()
        for node, count in self.sweep.nameless().items():
            self.tally.add_nameless(node, count)
            unreported += count
        backlog = self.backend.backlog()
        # Those that only the ttl by hand makes due are in no backlog.
        by_hand = self.ttl is not None and self.reason is not None
        return CleanupReport(
            outcome="partial" if self.reason else "done",
            reason=self.reason,
            backend=self.backend.name,
            removed=self.removed,
            evicted=self.evicted,
            scanned=self.scanned,
            already_gone=self.already_gone,
            renewed=self.renewed,
            errors=self.errors,
            unreported=unreported,
            remaining=self.backend.count_due(self.ttl) if by_hand else backlog.sessions,
            oldest_overdue_seconds=backlog.oldest_overdue_seconds,
            smallest_slice=self.smallest,
            duration_ms=round((time.monotonic() - self.started) * 1000, 3),
        )

    def counts(self) -> dict[str, Any]:
        """Return what was done so far."""
        names = ("removed", "evicted", "scanned", "already_gone", "renewed", "errors")
        return {"backend": self.backend.name, **{name: getattr(self, name) for name in names}}

    def report(self) -> None:
        """Claim and announce what was reaped, until nothing waits or the run must end."""
        while self.may_go_on() and (gone := self.sweep.claim(CLAIM_SIZE)):
            for session in gone:
                self.errors += announce(type(self.backend), (session,))
                if not session.expired:
                    self.tally.add(session)
                # A receiver may take its time.
                self.keep_lease()
            self.tally.keep()
            expired = sum(session.expired for session in gone)
            self.removed += expired
            self.evicted += len(gone) - expired

    def may_go_on(self) -> bool:
        """Whether there is time left and the lease is still ours."""
        if time.monotonic() >= self.deadline:
            self.reason = "The time budget is spent."
        else:
            self.keep_lease()
        return self.reason is None

    def keep_lease(self) -> None:
        """Renew the lease when a third of it has passed."""
        now = time.monotonic()
        if self.taken_over or now - self.renewed_at <= self.lease_seconds * RENEW_AFTER:
            return
        self.renewed_at = now
        if not self.backend.acquire_lease(LEASE_NAME, self.token, self.lease_seconds):
            self.taken_over = True
            self.reason = "Another clean-up took over, because this one was held up for longer than its lease."

    def adapt(self, seconds: float, largest: int) -> None:
        """Ask for less when the store answers slowly, and for more again when it is quick."""
        if seconds > SLOW_SLICE_SECONDS:
            self.slice_size = max(SMALLEST_SLICE, self.slice_size // 2)
        elif seconds < FAST_SLICE_SECONDS:
            self.slice_size = min(largest, self.slice_size * 2)
        self.smallest = min(self.smallest, self.slice_size)
