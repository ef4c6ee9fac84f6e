"""The few figures that stand at the top of the overview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from djust.admin.figures import length, number, percent, size_of
from djust.admin.timeline import fullest_of
from djust.models import MaintenanceRun, MemorySample
from djust.monitoring.status.heartbeat import Heartbeat
from djust.monitoring.status.summary import StoreFigures, Summary


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure."""

    label: str
    value: str
    note: str = ""
    #: ``"warn"``, ``"bad"`` or empty.
    look: str = ""
    #: The model whose list says more.
    model: str = ""


def make_tiles(summary: Summary) -> list[Tile]:
    """Return the figures that are known."""
    return [
        *_memory(summary.samples),
        *_sessions(summary.store, summary.samples),
        *_losses(summary),
        *_backlog(summary),
        _maintenance(summary),
    ]


def _memory(samples: Sequence[MemorySample]) -> list[Tile]:
    fullest = fullest_of(samples)
    if fullest is None:
        return []
    label = _("Memory, fullest server") if len(samples) > 1 else _("Memory")
    if fullest.usage is None:
        return [Tile(label, size_of(fullest.used_bytes), _("no limit is set"), model="memorysample")]
    note = _("%(used)s of %(limit)s") % {"used": size_of(fullest.used_bytes), "limit": size_of(fullest.limit_bytes)}
    times = [sample.seconds_to_full for sample in samples if sample.seconds_to_full is not None]
    if times:
        note += ", " + _("full in %(time)s") % {"time": length(min(times))}
    return [Tile(label, percent(fullest.usage), note, model="memorysample")]


def _sessions(store: StoreFigures, samples: Sequence[MemorySample]) -> list[Tile]:
    if store.sessions is None:
        return []
    sizes = [
        (sample.bytes_per_session, sample.bytes_per_session_margin)
        for sample in samples
        if sample.bytes_per_session and sample.bytes_per_session_margin is not None
    ]
    note = ""
    if len(sizes) == 1:
        [(mean, margin)] = sizes
        note = _("%(size)s each, ±%(margin)s") % {"size": size_of(mean), "margin": f"{(margin or 0) / mean:.0%}"}
    return [Tile(_("Live sessions"), number(store.sessions), note, model="livesession")]


def _losses(summary: Summary) -> list[Tile]:
    lost, evicted = sum(summary.losses.values()), summary.records.evicted
    if not lost and not summary.samples:
        return []
    note = "" if evicted is None else _("%(keys)s keys evicted") % {"keys": number(evicted)}
    return [Tile(_("Lost in 24 h"), number(lost), note, "bad" if lost else "", "sessionloss")]


def _backlog(summary: Summary) -> list[Tile]:
    store, cleanup = summary.store, summary.heartbeat.beat(MaintenanceRun.Task.CLEANUP)
    if store.overdue is None:
        return []
    off = not store.process_local and cleanup is not None and cleanup.status == "off"
    note = _("clean-up is switched off") if off else _("to be removed by the next clean-up")
    if store.overdue and store.oldest_overdue_seconds is not None:
        since = _("oldest since %(time)s") % {"time": length(store.oldest_overdue_seconds)}
        note = f"{since}, {note}" if off else since
    return [Tile(_("Expired sessions"), number(store.overdue), note, "warn" if off and store.overdue else "")]


def _maintenance(summary: Summary) -> Tile:
    heartbeat = summary.heartbeat
    names = {
        "ok": (_("On time"), ""),
        "late": (_("Late"), "bad"),
        "never": (_("Not yet"), ""),
        "off": (_("Off"), "warn"),
    }
    value, look = names.get(heartbeat.status, (_("Not known"), "warn"))
    note = _last_sign(heartbeat, summary)
    off = [str(beat.task.label) for beat in heartbeat.beats if beat.status == "off"]
    if off and heartbeat.status in ("ok", "never"):
        value, look = _("Partly off"), "warn"
        note = _("off: %(tasks)s") % {"tasks": ", ".join(off)}
    # Where each process looks after itself, nothing has to run.
    look = "" if summary.store.process_local and heartbeat.status in ("ok", "off") else look
    return Tile(_("Maintenance"), value, note, look, "maintenancerun")


def _last_sign(heartbeat: Heartbeat, summary: Summary) -> str:
    moments = [beat.last_at for beat in heartbeat.beats if beat.last_at is not None]
    if not moments:
        return _("no task has run yet")
    return _("last sign of life %(time)s ago") % {"time": length((summary.at - max(moments)).total_seconds())}
