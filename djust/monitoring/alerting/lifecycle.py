"""The life of an alert, as a function: what a judgement makes of it, and what people are told.

An alert is *pending* until its condition has held for long enough, *firing* until it has been calm for long enough,
and then *resolved*. A person may have *acknowledged* or *silenced* it in between. Nothing here asks a clock or a
database.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from djust.models import Alert, AlertMessage
from djust.monitoring.alerting.judgement import Judgement, rank

#: Between two looks that lie further apart nobody knows what happened: timers advance by no more than this.
LONGEST_GAP = timedelta(minutes=5)
#: The calm that is needed doubles with each return, up to this.
LONGEST_CALM_SECONDS = 3600.0

_STATE = Alert.State
_KIND = AlertMessage.Kind
_NO_TIME = timedelta(0)


@dataclass(slots=True, kw_only=True)
class Life:
    """Where an alert stands: the fields of ``Alert`` of the same names."""

    state: str
    severity: str
    pending_since: datetime
    stale: bool = False
    summary: str = ""
    advice: str = ""
    value: float | None = None
    threshold: float | None = None
    peak: float | None = None
    fired_at: datetime | None = None
    calm_since: datetime | None = None
    last_seen_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    silenced_until: datetime | None = None
    silenced_by: str = ""
    resolved_at: datetime | None = None
    announced_at: datetime | None = None
    #: Empty: people do not know that it fires now. ``announced_at`` may still be set, by the end of an earlier time.
    announced_severity: str = ""
    announced_value: float | None = None
    returns: int = 0

    @classmethod
    def of(cls, alert: Alert) -> Life:
        """Return where a row stands."""
        return cls(**{field.name: getattr(alert, field.name) for field in fields(cls)})

    @property
    def values(self) -> dict[str, Any]:
        """The fields with their values, to be written."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a judgement makes of an alert."""

    #: Where it stands now; ``None``: nothing changed, or there is none any more.
    life: Life | None = None
    #: What people are told.
    announce: str | None = None
    #: The announcement goes to log and signal only, since the alert is silenced.
    silent: bool = False
    #: A pending alert whose condition did not hold for long enough: as if it had never been.
    gone: bool = False


def advance(alert: Alert | None, judgement: Judgement, now: datetime, cooldown_seconds: float) -> Step:
    """Return what a judgement makes of an alert.

    Args:
        alert: The open alert of this rule and server; where there is none, a resolved one that ``may_return``.
        judgement: What the rule says now.
        now: The time of the judgement.
        cooldown_seconds: For how long after its end an alert that comes back is not announced, unless it is worse.
    """
    if alert is None:
        return _begin(judgement, now, cooldown_seconds) if judgement.holds else Step()
    life = Life.of(alert)
    if life.state == _STATE.RESOLVED:
        return _come_back(life, judgement, now, cooldown_seconds) if judgement.holds else Step()
    if judgement.holds is None:
        if life.stale:
            return Step()
        life.stale = True
        return Step(life=life)
    _leave_out_unknown_time(life, now)
    life.stale, life.last_seen_at = False, now
    _end_silence(life, now)
    if judgement.holds:
        return _hold(life, judgement, now, cooldown_seconds)
    return _ease(life, judgement, now)


def may_return(alert: Alert, now: datetime, cooldown_seconds: float) -> bool:
    """Return whether a resolved alert goes on if its condition holds again: in the cool-down, or while silenced."""
    told = alert.announced_at is not None and now < alert.announced_at + timedelta(seconds=cooldown_seconds)
    return told or is_silenced(alert, now)


def is_silenced(life: Life | Alert, now: datetime) -> bool:
    """Return whether a person asked for silence that is not over."""
    return life.silenced_until is not None and now < life.silenced_until


def needed_calm(clear_seconds: float, returns: int) -> timedelta:
    """Return for how long an alert that came back this often has to be calm before it is over."""
    longest = max(LONGEST_CALM_SECONDS, clear_seconds)
    return timedelta(seconds=min(clear_seconds * 2.0 ** min(returns, 30), longest))


def _begin(judgement: Judgement, now: datetime, cooldown_seconds: float) -> Step:
    life = Life(state=_STATE.PENDING, severity=judgement.severity or "", pending_since=now, last_seen_at=now)
    return _hold(life, judgement, now, cooldown_seconds)


def _come_back(life: Life, judgement: Judgement, now: datetime, cooldown_seconds: float) -> Step:
    """Open a resolved alert again; it keeps its ``resolved_at`` until it fires, in case it does not."""
    life.state, life.pending_since, life.last_seen_at, life.stale = _STATE.PENDING, now, now, False
    return _hold(life, judgement, now, cooldown_seconds)


def _hold(life: Life, judgement: Judgement, now: datetime, cooldown_seconds: float) -> Step:
    """The condition holds."""
    _end_calm(life)
    # As bad as it was known to be, so that worse than that can be told from as bad as before.
    known = life.announced_severity or life.severity
    _take(life, judgement)
    if life.state == _STATE.PENDING:
        if now - life.pending_since < timedelta(seconds=judgement.for_seconds):
            life.severity = judgement.severity or life.severity
            return Step(life=life)
        _fire(life, now)
    worse = rank(judgement.severity) > rank(known) or judgement.is_news(life.announced_value)
    life.severity = judgement.severity or life.severity
    return Step(life=life, announce=_announce(life, now, worse=worse, cooldown_seconds=cooldown_seconds))


def _fire(life: Life, now: datetime) -> None:
    if life.fired_at is None:
        life.fired_at = now
    else:
        life.returns += 1
        life.pending_since = life.fired_at
        life.acknowledged_at, life.acknowledged_by = None, ""
    life.resolved_at, life.announced_severity = None, ""
    life.state = _STATE.SILENCED if is_silenced(life, now) else _STATE.FIRING


def _announce(life: Life, now: datetime, *, worse: bool, cooldown_seconds: float) -> str | None:
    """Return what people are told of an alert that fires, and note that they are."""
    told = bool(life.announced_severity)
    if worse:
        # What a person has seen or silenced was less than this.
        life.state = _STATE.FIRING
        life.acknowledged_at, life.acknowledged_by = None, ""
        life.silenced_until, life.silenced_by = None, ""
    elif told or life.state != _STATE.FIRING or _is_cooling(life, now, cooldown_seconds):
        return None
    life.announced_at, life.announced_severity, life.announced_value = now, life.severity, life.value
    return _KIND.ESCALATED if told else _KIND.FIRED


def _is_cooling(life: Life, now: datetime, cooldown_seconds: float) -> bool:
    return life.announced_at is not None and now < life.announced_at + timedelta(seconds=cooldown_seconds)


def _ease(life: Life, judgement: Judgement, now: datetime) -> Step:
    """The condition does not hold."""
    if life.state == _STATE.PENDING:
        if life.fired_at is None:
            return Step(gone=True)
        life.state, life.pending_since = _STATE.RESOLVED, life.fired_at
        return Step(life=life)
    life.value, life.threshold = judgement.value, judgement.threshold
    if not judgement.calm:
        _end_calm(life)
        return Step(life=life)
    life.calm_since = life.calm_since or now
    if now - life.calm_since < needed_calm(judgement.clear_seconds, life.returns):
        return Step(life=life)
    return resolve(life, now)


def resolve(life: Life, now: datetime) -> Step:
    """Return the end of an alert. People are told if they were told of it, though not while it is silenced."""
    announce = _KIND.RESOLVED if life.announced_severity else None
    silent = is_silenced(life, now)
    life.state, life.resolved_at = _STATE.RESOLVED, now
    if announce and not silent:
        life.announced_at = now
    return Step(life=life, announce=announce, silent=silent)


def close(life: Life, now: datetime) -> Step:
    """Return the end of an alert that nobody judges any more: its rule is off, or its server gone."""
    if life.state == _STATE.PENDING and life.fired_at is None:
        return Step(gone=True)
    step = resolve(life, now)
    return Step(life=step.life, announce=step.announce, silent=True)


def _end_calm(life: Life) -> None:
    if life.calm_since is not None:
        life.calm_since = None
        if life.state not in (_STATE.PENDING, _STATE.RESOLVED):
            life.returns += 1


def _take(life: Life, judgement: Judgement) -> None:
    """Take over the figures and words of a judgement that holds."""
    life.value, life.threshold = judgement.value, judgement.threshold
    life.summary, life.advice = judgement.summary, judgement.advice
    if judgement.value is not None:
        worst = min if judgement.lower_is_worse else max
        life.peak = judgement.value if life.peak is None else worst(life.peak, judgement.value)


def _end_silence(life: Life, now: datetime) -> None:
    if life.state == _STATE.SILENCED and not is_silenced(life, now):
        life.silenced_until, life.silenced_by = None, ""
        life.state = _STATE.FIRING if life.acknowledged_at is None else _STATE.ACKNOWLEDGED


def _leave_out_unknown_time(life: Life, now: datetime) -> None:
    """Move the timers on by the time in which nobody looked, so that they count known time only."""
    if life.last_seen_at is None:
        return
    gap = max(now - life.last_seen_at, _NO_TIME)
    left_out = gap - (_NO_TIME if life.stale else min(gap, LONGEST_GAP))
    if life.state == _STATE.PENDING:
        life.pending_since += left_out
    if life.calm_since is not None:
        life.calm_since += left_out
