"""One check: what was evicted, which sessions were lost, whether the index stands, and what the rules say to it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.utils import timezone

from djust.exceptions import BackendError, BackendUnavailable
from djust.monitoring.alerting import alerts, notify
from djust.monitoring.findings import Findings
from djust.monitoring.gather import gather, note_judged, unjudged
from djust.monitoring.look import find_losses
from djust.monitoring.losses import LossRecorder
from djust.state_backend.base import StateBackend
from djust.state_backend.monitor import ServerInfo
from djust.state_backend.registry import get_backend
from djust.tally import LossTally

NOT_APPLICABLE = "This backend keeps its sessions on no server of its own, so nothing can be evicted."


def check_evictions(backend: StateBackend | None = None, *, trigger: str = "call") -> dict[str, Any]:
    """Look for evictions and lost sessions, move the alerts on, send their messages, and return what was found.

    Returns:
        JSON-like values. ``rebuild`` says that a part of the index is lost and a reconcile should rebuild it.

    Raises:
        BackendUnavailable: The store cannot be reached. The alerts know.
    """
    backend = backend or get_backend()
    monitor = backend.monitor
    if monitor is None:
        # Those of a store that this project had before can be judged no more.
        alerts.close_all()
        return {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    recorder = LossRecorder(trigger=trigger)
    findings = Findings(LossTally(backend, recorder.keep), recorder)
    try:
        find_losses(backend, monitor, findings, trigger=trigger)
    except BackendUnavailable as error:
        _react(backend, findings, str(error))
        raise
    except BackendError:
        # It answers, though not to this: what is known is judged.
        _react(backend, findings)
        raise
    return {**_report(backend, findings), **_react(backend, findings)}


def _react(backend: StateBackend, findings: Findings, unreachable: str | None = None) -> dict[str, Any]:
    losses = unjudged(findings)
    report = alerts.evaluate(gather(backend, findings, losses.readings, timezone.now(), unreachable))
    if report.recorded:
        note_judged(losses)
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
        "servers": [_server(info, findings) for info in findings.infos],
        "lost": findings.tally.sessions,
        "lost_by_cause": _by_cause(findings),
        "removed": walked.expired,
        "checked": walked.checked,
        "complete": walked.complete,
        "errors": walked.errors,
        "rebuild": findings.rebuild,
    }


def _by_cause(findings: Findings) -> dict[str, int]:
    causes: Counter[str] = Counter()
    for losses in findings.tally.found:
        causes[losses.cause] += losses.sessions
    return dict(causes)


def _server(info: ServerInfo, findings: Findings) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "node": info.node,
        "evicted": findings.evicted.get(info.node),
        "index_shards_lost": findings.index_lost.get(info.node),
    }
    if info.refused:
        figures["unavailable"] = {"evicted": info.refused}
    return figures
