"""One check: what was evicted, which sessions were lost, whether the index stands, and what the rules say to it."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from djust.exceptions import BackendError
from djust.monitoring.alerting import alerts, notify
from djust.monitoring.findings import Findings
from djust.monitoring.gather import gather
from djust.monitoring.look import find_losses
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import get_backend
from djust.tally import LossTally

NOT_APPLICABLE = "This backend keeps its sessions on no server of its own, so nothing can be evicted."


def check_evictions(backend: StateBackend | None = None, *, trigger: str = "call") -> dict[str, Any]:
    """Look for evictions and lost sessions, move the alerts on, send their messages, and return what was found.

    Returns:
        JSON-like values. ``index_newly_lost`` says that parts of the index were found to be lost for the first time,
        so that a reconcile should rebuild them.

    Raises:
        BackendUnavailable: The store cannot be reached. The alerts know.
    """
    backend = backend or get_backend()
    monitor = backend.monitor
    if monitor is None:
        return {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    findings = Findings(LossTally(backend))
    try:
        find_losses(backend, monitor, findings, trigger=trigger)
    except BackendError as error:
        _react(backend, findings, str(error))
        raise
    return {**_report(backend, findings), **_react(backend, findings)}


def _react(backend: StateBackend, findings: Findings, unreachable: str | None = None) -> dict[str, Any]:
    report = alerts.evaluate(gather(backend, findings, timezone.now(), unreachable))
    delivery = notify.deliver()
    return {
        "alerts_fired": len(report.fired) + len(report.escalated),
        "alerts_resolved": len(report.resolved),
        "alerts_open": len(report.open),
        "messages_sent": delivery.sent,
        "messages_failed": delivery.failed,
    }


def _report(backend: StateBackend, findings: Findings) -> dict[str, Any]:
    walked = findings.walked
    return {
        "outcome": "done",
        "backend": backend.name,
        "servers": [
            {
                "node": node,
                "evicted": count,
                "index_shards_lost": len(findings.index_lost.get(node, ())),
                **({"unavailable": {"evicted": findings.refused[node]}} if node in findings.refused else {}),
            }
            for node, count in findings.evicted.items()
        ],
        "lost": findings.tally.sessions,
        "lost_by_cause": {losses.cause: losses.sessions for losses in findings.tally.found},
        "removed": walked.expired,
        "checked": walked.checked,
        "complete": walked.complete,
        "errors": walked.errors,
        "index_newly_lost": len(findings.index_newly_lost),
    }
