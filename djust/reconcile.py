"""Makes index and data agree, in bounded steps that can be resumed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from djust.log import hashed, logger
from djust.state_backend.base import StateBackend
from djust.state_backend.records import FINDING_KINDS, Finding
from djust.state_backend.registry import get_backend

#: Findings that a report lists; the rest is counted.
MAX_LISTED = 100

NOT_APPLICABLE = "In this backend index and data are one, so there is nothing to reconcile."


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What one reconcile found."""

    #: ``"done"``, ``"partial"`` (resume with ``cursor``) or ``"not_applicable"``.
    outcome: str
    reason: str | None = None
    backend: str
    checked: int = 0
    #: How many of each kind, and how many of those were repaired.
    found: dict[str, int]
    repaired: dict[str, int]
    #: The first ones.
    findings: tuple[Finding, ...] = ()
    cursor: str | None = None
    duration_ms: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-like values, without the findings, which name sessions."""
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "backend": self.backend,
            "checked": self.checked,
            "found": self.found,
            "repaired": self.repaired,
            "cursor": self.cursor,
            "duration_ms": self.duration_ms,
        }


def reconcile(
    backend: StateBackend | None = None,
    *,
    repair: Iterable[str] = (),
    cursor: str | None = None,
    budget_seconds: float | None = None,
    trigger: str = "call",
    on_progress: Callable[[int], None] | None = None,
) -> ReconcileReport:
    """Compare index and data, and repair what ``repair`` names.

    Args:
        backend: Where; the configured one by default.
        repair: Kinds of findings to repair, of ``djust.state_backend.records.REPAIRABLE_KINDS``; nothing by default.
        cursor: Where to go on, from the report of a run that had no time left.
        budget_seconds: How long to work at most; no limit by default.
        trigger: Who asked, for the log.
        on_progress: Called after each step with how much was looked at.

    Raises:
        InvalidArgument: ``repair`` or ``cursor`` is none of ours.
        BackendUnavailable: The store went away.
    """
    backend = backend or get_backend()
    started = time.monotonic()
    kinds = frozenset(repair)
    found: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    listed: list[Finding] = []
    checked = 0
    reason = None
    while True:
        step = backend.reconcile(cursor, repair=kinds)
        if step is None:
            logger.info("reconcile_not_applicable", backend=backend.name, trigger=trigger, reason=NOT_APPLICABLE)
            return ReconcileReport(
                outcome="not_applicable", reason=NOT_APPLICABLE, backend=backend.name, found={}, repaired={}
            )
        checked += step.checked
        cursor = step.cursor
        for finding in step.findings:
            found[finding.kind] += 1
            repaired[finding.kind] += finding.repaired
            if len(listed) < MAX_LISTED:
                listed.append(finding)
                logger.warning(
                    "reconcile_finding", kind=finding.kind, session=hashed(finding.key), repaired=finding.repaired
                )
        if on_progress is not None:
            on_progress(checked)
        if cursor is None:
            break
        if budget_seconds is not None and time.monotonic() - started >= budget_seconds:
            reason = "The time budget is spent; the next run goes on from the cursor."
            break
    report = ReconcileReport(
        outcome="partial" if cursor else "done",
        reason=reason,
        backend=backend.name,
        checked=checked,
        found={kind: found[kind] for kind in FINDING_KINDS},
        repaired={kind: repaired[kind] for kind in FINDING_KINDS},
        findings=tuple(listed),
        cursor=cursor,
        duration_ms=round((time.monotonic() - started) * 1000, 3),
    )
    logger.info("reconcile_finished", trigger=trigger, **report.as_dict())
    return report
