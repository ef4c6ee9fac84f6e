"""What an empty chart means, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from djust.admin.timeline import Timeline
from djust.conf import get_config
from djust.models import MaintenanceRun, MemorySample

_OUTCOME = MaintenanceRun.Outcome


def why_empty(timeline: Timeline) -> dict[str, str]:
    """Return for each chart why it is empty, in case it is. The latest samples know why a figure is missing."""
    latest = timeline.latest
    sampled, cleaned = bool(timeline.nodes), any(interval.cleanups for interval in timeline.intervals)
    no_samples = "" if sampled else _why_no_samples()
    return {
        "memory": no_samples or _why_missing(latest, "used_bytes"),
        "losses": no_samples or _why_missing(latest, "evicted"),
        "sessions": no_samples or _why_missing(latest, "sessions"),
        "cleanups": "" if cleaned else _why_no_cleanups(),
    }


def _why_missing(latest: Sequence[MemorySample], figure: str) -> str:
    reasons = {sample.unavailable[figure] for sample in latest if figure in sample.unavailable}
    return _("Unavailable: %(reason)s") % {"reason": " ".join(sorted(reasons)) or _("no sample has this figure.")}


def _why_no_samples() -> str:
    if _keeps_sessions_in_memory():
        return _(
            "Not applicable: the memory backend keeps sessions in each web process. With Redis, its memory, its "
            "evictions and its sessions are shown here."
        )
    last = MaintenanceRun.objects.filter(task=MaintenanceRun.Task.SAMPLE_MEMORY).first()
    if last is None:
        return _(
            "No samples yet. A worker takes one each time the schedule “djust: sample Redis memory” is due: start "
            "worker and beat, or press Run now below."
        )
    return _no_figures(last) or _("No samples in this time. Choose a longer one.")


def _why_no_cleanups() -> str:
    if _keeps_sessions_in_memory():
        return _("Not applicable: with the memory backend each web process removes its own expired sessions.")
    last = MaintenanceRun.objects.filter(task=MaintenanceRun.Task.CLEANUP).first()
    if last is None:
        return _(
            "No clean-up yet. A worker does one each time the schedule “djust: clean up expired sessions” is due: "
            "start worker and beat, or press Run now below."
        )
    return _no_figures(last) or _("No clean-up in this time. Choose a longer one.")


def _no_figures(last: MaintenanceRun) -> str:
    if last.outcome == _OUTCOME.NOT_APPLICABLE:
        return _("Not applicable: %(reason)s") % {"reason": last.reason}
    if last.outcome == _OUTCOME.FAILED:
        return _("The last run failed: %(error)s") % {"error": last.error}
    return ""


def _keeps_sessions_in_memory() -> bool:
    try:
        return get_config().state_backend == "memory"
    except ImproperlyConfigured:
        return False  # The verdict says so.
