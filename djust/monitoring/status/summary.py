"""How the store is doing, put together from what the database and the store say, whichever of them is away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Sum
from django.utils import timezone

from djust.conf import SETTING
from djust.database import DATABASE_ERRORS, read
from djust.exceptions import DjustError
from djust.models import Alert, MaintenanceRun, MemorySample, SessionLoss
from djust.monitoring.alerting.alerts import open_alerts
from djust.monitoring.status.heartbeat import AWAY, Heartbeat, heartbeat
from djust.monitoring.wording import count, counted, share
from djust.state_backend.registry import get_backend

#: Over how much time losses and evictions are added up.
LOOKBACK = timedelta(hours=24)

#: Servers that were sampled within this time before the last sample are shown.
_SAMPLE_SPAN = timedelta(minutes=10)
_MAX_SAMPLES = 1000
_MAX_ALERTS = 100

_STATE = Alert.State
_TASK = MaintenanceRun.Task
_OUTCOME = MaintenanceRun.Outcome

MISCONFIGURED = f"{SETTING} cannot be used. Run manage.py check."
TOO_SLOW = "The database does not answer in time, so nobody knows when maintenance last ran."
ELSEWHERE = "The sessions live in the memory of the web process, which no other process can see."

#: What it means that no schedule of a task is enabled.
_SWITCHED_OFF = {
    _TASK.CLEANUP: "Clean-up is switched off: expired sessions are neither reported nor removed.",
    _TASK.SAMPLE_MEMORY: "Sampling is switched off: the figures of the memory grow old.",
    _TASK.CHECK_EVICTIONS: "The check for evictions is switched off: nobody looks for lost sessions, and no alert "
    "fires or ends.",
}
_STATES = (_STATE.FIRING, _STATE.ACKNOWLEDGED, _STATE.SILENCED)

#: The verdicts, the worst first.
VERDICTS = ("trouble", "unknown", "attention", "starting", "well")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    """What the store says of its sessions. A figure that it does not say is ``None``."""

    backend: str | None = None
    #: Why nothing is known; ``None``: something is.
    error: str | None = None
    #: It is no trouble that nothing is known: another process has the sessions.
    elsewhere: bool = False
    #: Each process looks after its own sessions, and needs no task for that.
    process_local: bool = False
    latency_ms: float | None = None
    sessions: int | None = None
    #: Sessions whose time ran out and that nobody has reported yet, and for how long the first of them has waited.
    overdue: int | None = None
    oldest_overdue_seconds: float | None = None
    #: Seconds since the last activity.
    oldest_age: float | None = None
    newest_age: float | None = None
    average_age: float | None = None

    @property
    def up(self) -> bool:
        """Whether the store answered."""
        return self.error is None

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-like values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What the database says. A part that could not be read is empty, and ``error`` says why."""

    heartbeat: Heartbeat
    error: str | None = None
    #: Firing, acknowledged, then silenced ones, the worst of each first.
    alerts: tuple[Alert, ...] = ()
    #: The latest sample of each server.
    samples: tuple[MemorySample, ...] = ()
    #: Sessions lost in the last 24 hours, by cause.
    losses: Mapping[str, int] = field(default_factory=dict)
    #: Keys evicted in the last 24 hours, by all servers; ``None``: not known.
    evicted: int | None = None
    #: The last clean-up that did anything.
    last_cleanup: MaintenanceRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How the store is doing."""

    at: datetime
    #: One of ``VERDICTS``.
    verdict: str
    #: The verdict in a sentence.
    headline: str
    #: What speaks against "well", the worst first.
    reasons: tuple[str, ...]
    records: Records
    store: StoreFigures

    @property
    def heartbeat(self) -> Heartbeat:
        """Whether maintenance goes on."""
        return self.records.heartbeat

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Firing, acknowledged and silenced alerts, the worst first."""
        return self.records.alerts

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        """The latest sample of each server, by its name."""
        return self.records.samples

    @property
    def losses(self) -> Mapping[str, int]:
        """Sessions lost in the last 24 hours, by cause."""
        return self.records.losses

    @property
    def last_cleanup(self) -> MaintenanceRun | None:
        """The last clean-up that did anything."""
        return self.records.last_cleanup

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-like values."""
        records = self.records
        return {
            "at": self.at.isoformat(),
            "verdict": self.verdict,
            "headline": self.headline,
            "reasons": list(self.reasons),
            "store": self.store.as_dict(),
            "database_error": records.error,
            "heartbeat": records.heartbeat.as_dict(),
            "alerts": [_alert(alert) for alert in records.alerts],
            "servers": [_sample(sample) for sample in records.samples],
            "lost_24h": None if records.error else dict(records.losses),
            "evicted_24h": records.evicted,
            "last_cleanup": None if records.last_cleanup is None else _run(records.last_cleanup),
        }


def summarise(now: datetime | None = None) -> Summary:
    """Return how the store is doing. Never raises for a database or a store that is away.

    Args:
        now: The current time, for tests.
    """
    now = now or timezone.now()
    return judge(read_records(now), read_store(), now)


def read_records(now: datetime | None = None) -> Records:
    """Read what the database says, in about ten bounded queries. Never raises for a database that is away."""
    now = now or timezone.now()
    beats = heartbeat(now)
    since = now - LOOKBACK
    try:
        return read(
            MaintenanceRun,
            lambda: Records(
                heartbeat=beats,
                alerts=_open_alerts(),
                samples=_latest_samples(),
                losses=_losses(since),
                evicted=MemorySample.objects.filter(sampled_at__gte=since).aggregate(sum=Sum("evicted"))["sum"],
                last_cleanup=_last_cleanup(),
            ),
        )
    except (*DATABASE_ERRORS, ImproperlyConfigured):
        return Records(heartbeat=beats, error=AWAY)


def unanswered() -> Records:
    """Return what there is to say when the database did not answer in time."""
    return Records(heartbeat=Heartbeat(status="unknown", detail=TOO_SLOW), error=TOO_SLOW)


def read_store() -> StoreFigures:
    """Ask the store. Never raises for one that is away or cannot be built."""
    try:
        backend = get_backend()
        if backend.process_local and not backend.ever_used:
            return StoreFigures(backend=backend.name, error=ELSEWHERE, elsewhere=True, process_local=True)
        health = backend.health_check()
        if health["status"] != "healthy":
            return StoreFigures(backend=backend.name, error=health["error"])
        stats, backlog = backend.get_stats(), backend.backlog()
    except DjustError as error:
        return StoreFigures(error=str(error))
    except ImproperlyConfigured:
        return StoreFigures(error=MISCONFIGURED)
    return StoreFigures(
        backend=stats["backend"],
        process_local=backend.process_local,
        latency_ms=health["latency_ms"],
        sessions=stats["total_sessions"],
        overdue=backlog.sessions,
        oldest_overdue_seconds=backlog.oldest_overdue_seconds,
        oldest_age=stats["oldest_session_age"],
        newest_age=stats["newest_session_age"],
        average_age=stats["average_age"],
    )


def judge(records: Records, store: StoreFigures, now: datetime) -> Summary:
    """Put together what was read."""
    found = sorted(_reasons(records, store), key=lambda reason: VERDICTS.index(reason[0]))
    reasons = tuple(text for _, text in found)
    return Summary(
        at=now,
        verdict=found[0][0] if found else "well",
        headline=reasons[0] if reasons else _all_is_well(records, store),
        reasons=reasons,
        records=records,
        store=store,
    )


def switched_off(heartbeat: Heartbeat, store: StoreFigures) -> list[str]:
    """Return what it costs that tasks have no schedule, a sentence for each; nothing where the store needs none."""
    off = [beat.task for beat in heartbeat.beats if beat.status == "off"]
    if store.process_local or not off:
        return []
    texts = [heartbeat.detail] if heartbeat.status == "off" else [_SWITCHED_OFF[task] for task in off]
    if store.overdue and _TASK.CLEANUP in off:
        texts[0] += f" {counted(store.overdue, 'expired session')} {'waits' if store.overdue == 1 else 'wait'}."
    return texts


def _reasons(records: Records, store: StoreFigures) -> Iterator[tuple[str, str]]:
    """Yield what speaks against "well", each with its verdict; of one verdict, what is new before what is known."""
    if store.error and not store.elsewhere:
        yield "trouble", f"The store does not answer: {store.error}"
    for alert in records.alerts:
        if alert.state == _STATE.FIRING:
            yield "trouble" if alert.severity == Alert.Severity.CRITICAL else "attention", _alert_reason(alert)
    yield from _maintenance_reasons(records, store)
    for alert in records.alerts:
        if alert.state != _STATE.FIRING:
            yield "attention", _alert_reason(alert)
    if lost := sum(records.losses.values()):
        parts = ", ".join(f"{count(number)} {cause}" for cause, number in records.losses.items())
        yield "attention", f"{counted(lost, 'live session')} lost in the last 24 hours ({parts})."


def _maintenance_reasons(records: Records, store: StoreFigures) -> Iterator[tuple[str, str]]:
    heartbeat = records.heartbeat
    late = "trouble" if heartbeat.stopped else "attention"
    verdict = {"late": late, "unknown": "unknown", "never": "starting"}.get(heartbeat.status)
    if verdict is not None:
        yield verdict, heartbeat.detail
    if records.error and heartbeat.status != "unknown":
        yield "unknown", records.error
    for text in switched_off(heartbeat, store):
        yield "attention", text


def _all_is_well(records: Records, store: StoreFigures) -> str:
    words = ["All is well"]
    if store.sessions is not None:
        words.append(counted(store.sessions, "live session"))
    usages = [sample.usage for sample in records.samples if sample.usage is not None]
    if usages:
        words.append(f"memory {share(max(usages))} used")
    return f"{words[0]}: {', '.join(words[1:])}." if words[1:] else f"{words[0]}."


def _alert_reason(alert: Alert) -> str:
    about = f" ({alert.get_state_display()})" if alert.state != _STATE.FIRING else ""
    return f"{alert.summary or alert.rule}{about}"


def _open_alerts() -> tuple[Alert, ...]:
    return tuple(sorted(open_alerts()[:_MAX_ALERTS], key=lambda alert: _STATES.index(alert.state)))


def _latest_samples() -> tuple[MemorySample, ...]:
    last = MemorySample.objects.values_list("sampled_at", flat=True).first()
    if last is None:
        return ()
    recent = MemorySample.objects.filter(sampled_at__gte=last - _SAMPLE_SPAN)[:_MAX_SAMPLES]
    latest: dict[str, MemorySample] = {}
    for sample in recent:
        latest.setdefault(sample.node, sample)
    return tuple(latest[node] for node in sorted(latest))


def _losses(since: datetime) -> dict[str, int]:
    rows = SessionLoss.objects.filter(found_at__gte=since).order_by("cause").values_list("cause")
    return dict(rows.annotate(total=Sum("sessions")))


def _last_cleanup() -> MaintenanceRun | None:
    did = (_OUTCOME.DONE, _OUTCOME.PARTIAL, _OUTCOME.FAILED, _OUTCOME.KILLED)
    return MaintenanceRun.objects.filter(task=MaintenanceRun.Task.CLEANUP, outcome__in=did).first()


def _alert(alert: Alert) -> dict[str, Any]:
    names = ("rule", "node", "state", "severity", "stale", "summary", "advice", "value", "threshold", "peak")
    return {**{name: getattr(alert, name) for name in names}, "fired_at": _moment(alert.fired_at)}


def _sample(sample: MemorySample) -> dict[str, Any]:
    names = (
        *("node", "used_bytes", "limit_bytes", "limit_source", "usage", "policy", "rss_bytes", "fragmentation"),
        *("clients", "evicted_per_second", "expired_per_second", "hit_ratio", "sessions", "bytes_per_session"),
        *("bytes_per_session_margin", "index_bytes", "seconds_to_full", "unavailable"),
    )
    return {"sampled_at": _moment(sample.sampled_at), **{name: getattr(sample, name) for name in names}}


def _run(run: MaintenanceRun) -> dict[str, Any]:
    names = ("outcome", "trigger", "triggered_by", "duration_ms", "removed", "reason", "error", "figures")
    return {"started_at": _moment(run.started_at), **{name: getattr(run, name) for name in names}}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
