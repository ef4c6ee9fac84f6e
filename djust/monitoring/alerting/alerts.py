"""Alerts as rows: moved on by each check, acknowledged and silenced by people.

Any number of workers may do so at once. Who changes a row compares its ``revision``, and who comes late looks again,
so each message is queued once, in the transaction of the change that it tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connections, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from djust import totals
from djust.conf import Config, get_config
from djust.database import DATABASE_ERRORS, unavailable
from djust.log import logger
from djust.models import Alert, AlertMessage
from djust.monitoring.alerting import messages
from djust.monitoring.alerting.judgement import CRITICAL, Judgement
from djust.monitoring.alerting.lifecycle import Life, Step, advance, close, is_silenced, may_return
from djust.monitoring.alerting.rules import configured, judge
from djust.monitoring.reading import Reading
from djust.signals import alert_fired, alert_resolved

#: A server that no check has spoken of for this long is gone, and so are its alerts.
FORGOTTEN_AFTER = timedelta(days=1)
#: Of those who change one alert at once, each loses at most once to each other.
_TRIES = 20

_STATE = Alert.State
_KIND = AlertMessage.Kind
_OPEN = ~Q(state=_STATE.RESOLVED)


@dataclass(frozen=True, slots=True)
class AlertReport:
    """What one evaluation changed. Another worker's changes are in the other's report."""

    fired: list[Alert] = field(default_factory=list)
    escalated: list[Alert] = field(default_factory=list)
    resolved: list[Alert] = field(default_factory=list)
    #: All that fire now, acknowledged and silenced ones included, the worst first.
    open: list[Alert] = field(default_factory=list)
    #: The alerts know of the reading; False: the database was away.
    recorded: bool = True


def evaluate(reading: Reading) -> AlertReport:
    """Judge a reading by all rules, move the alerts on, queue messages, log, and send the signals.

    Without its database it changes nothing and returns an empty report. What the rules then report at once is
    logged all the same, as ``alert_fired`` with ``recorded=False``, since the next check would not find it again.

    Raises:
        ImproperlyConfigured: ``ALERT_RULES`` cannot be used.
    """
    config = get_config()
    judgements = judge(reading, config)
    report = AlertReport()

    def take_effect() -> None:
        rows = {(alert.rule, alert.node): alert for alert in _rows().filter(_OPEN)}
        for judgement in judgements:
            row = rows.pop((judgement.rule, judgement.node), None)
            _move_on(row, judgement, reading.now, config, report)
        _close_unjudged(rows.values(), reading, config, report)
        if report.resolved:
            _prune(reading.now, config)
        report.open.extend(open_alerts())

    try:
        _on_a_good_connection(take_effect)
    except DATABASE_ERRORS as error:
        unavailable(error)
        _log_unrecorded(judgements)
        return replace(report, recorded=False)
    return report


def close_all() -> AlertReport:
    """Resolve all alerts in the log only, as those of a store that no rule can judge any more.

    Without its database it changes nothing and returns an empty report.
    """
    now, report = timezone.now(), AlertReport()

    def take_effect() -> None:
        for alert in _rows().filter(_OPEN):
            _take_step(alert, close(Life.of(alert), now), None, now, report)

    try:
        _on_a_good_connection(take_effect)
    except DATABASE_ERRORS as error:
        unavailable(error)
    return report


def open_alerts() -> QuerySet[Alert]:
    """Return the alerts that fire, acknowledged and silenced ones included: the worst first, then the newest."""
    states = (_STATE.FIRING, _STATE.ACKNOWLEDGED, _STATE.SILENCED)
    # "critical" comes before "warning" in the alphabet as well.
    return Alert.objects.filter(state__in=states).order_by("severity", "-fired_at", "-pk")


def acknowledge(alert: Alert, by: str) -> bool:
    """Note that a person looks after an alert: it stays until it is over, and is told of again only if it gets worse.

    Returns:
        False: there is nothing to acknowledge, since it is over or does not fire yet.
    """
    return _by_hand(
        alert,
        lambda now: (
            {"state": _STATE.ACKNOWLEDGED, "acknowledged_at": now, "acknowledged_by": by[:150]} | _silence(None, "")
        ),
    )


def silence(alert: Alert, until: datetime, by: str) -> bool:
    """Keep an alert from sending messages until a moment, unless it gets worse.

    Returns:
        False: there is nothing to silence, since it is over or does not fire yet.

    Raises:
        ValueError: The moment has passed.
    """
    if until <= timezone.now():
        raise ValueError(f"An alert can be silenced until a moment that is ahead, not until {until:%Y-%m-%d %H:%M}.")
    return _by_hand(alert, lambda now: {"state": _STATE.SILENCED} | _silence(until, by))


def unsilence(alert: Alert, by: str) -> bool:
    """End the silence of an alert. If people were not told of it, the next check tells them if it still holds.

    Args:
        alert: Which.
        by: Who, for the log.

    Returns:
        False: it is not silenced.
    """

    def values(_now: datetime) -> dict[str, Any] | None:
        if alert.state != _STATE.SILENCED:
            return None
        state = _STATE.FIRING if alert.acknowledged_at is None else _STATE.ACKNOWLEDGED
        return {"state": state} | _silence(None, "")

    return _by_hand(alert, values)


def _silence(until: datetime | None, by: str) -> dict[str, Any]:
    return {"silenced_until": until, "silenced_by": by[:150]}


def _by_hand(alert: Alert, values: Callable[[datetime], dict[str, Any] | None]) -> bool:
    """Change an alert that fires, and ``alert`` with it, whatever the checks do to it meanwhile."""
    for _ in range(_TRIES):
        alert.refresh_from_db(using=router.db_for_write(Alert))
        if alert.state in (_STATE.PENDING, _STATE.RESOLVED):
            return False
        changed = values(timezone.now())
        if changed is None:
            return False
        if _write(alert, changed):
            return True
    return False


def _on_a_good_connection(action: Callable[[], None]) -> None:
    """Do what may be done twice; a second time on a new connection if that which was open has died meanwhile."""
    connection = connections[router.db_for_write(Alert)]
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias):
            action()
        return
    was_open = connection.connection is not None
    try:
        action()
    except (OperationalError, InterfaceError):
        if not was_open:
            raise
        connection.close_if_unusable_or_obsolete()
        action()


def _rows() -> QuerySet[Alert]:
    """The alerts where they are written: a copy that lags behind would make every change come too late."""
    return Alert.objects.using(router.db_for_write(Alert))


def _move_on(alert: Alert | None, judgement: Judgement, now: datetime, config: Config, report: AlertReport) -> None:
    """Let a judgement take effect on the open alert, and tell of it if this worker was the one who did."""
    if alert is None and judgement.holds:
        alert = _find(judgement, now, config)
    for _ in range(_TRIES):
        step = advance(alert, judgement, now, config.alert_cooldown_seconds)
        if _take_step(alert, step, judgement, now, report):
            return
        alert = _find(judgement, now, config)


def _find(judgement: Judgement, now: datetime, config: Config) -> Alert | None:
    """Return the open alert of a rule and server, or the last one if it may come back."""
    rows = _rows().filter(rule=judgement.rule, node=judgement.node)
    alert = rows.filter(_OPEN).first()
    if alert is not None or not judgement.holds:
        return alert
    last = rows.order_by("-resolved_at").first()
    return last if last is not None and may_return(last, now, config.alert_cooldown_seconds) else None


def _take_step(
    alert: Alert | None, step: Step, judgement: Judgement | None, now: datetime, report: AlertReport
) -> bool:
    """Write a step; return False if another worker was faster, so that the alert has to be looked at again."""
    if step.gone and alert is not None:
        return bool(_rows().filter(pk=alert.pk, revision=alert.revision).delete()[0])
    if step.life is None:
        return True
    using = router.db_for_write(Alert)
    try:
        # The first statement writes, so that SQLite waits for its turn instead of refusing.
        with transaction.atomic(using=using):
            if alert is None:
                if judgement is None:
                    return True
                alert = Alert.objects.create(rule=judgement.rule, node=judgement.node, **step.life.values)
            elif not _write(alert, step.life.values):
                return False
            if step.announce and not step.silent:
                messages.queue(alert, step.announce, now)
    except IntegrityError:
        # Another worker opened one of the same rule and server.
        return False
    if step.announce:
        _tell(alert, step.announce, now, report)
    return True


def _write(alert: Alert, values: dict[str, Any]) -> bool:
    """Write values to a row that nobody changed since it was read, and to the object."""
    unchanged = _rows().filter(pk=alert.pk, revision=alert.revision)
    if not unchanged.update(**values, revision=F("revision") + 1):
        return False
    for name, value in values.items():
        setattr(alert, name, value)
    alert.revision += 1
    return True


def _close_unjudged(rows: Iterable[Alert], reading: Reading, config: Config, report: AlertReport) -> None:
    """See to the alerts that no rule spoke of: its rule is off, its server is gone, or nobody looked this time."""
    rules = {name for name, rule in configured(config).items() if rule.enabled}
    for alert in rows:
        unseen = reading.now - (alert.last_seen_at or alert.pending_since)
        if alert.rule not in rules or (reading.unreachable is None and unseen >= FORGOTTEN_AFTER):
            _take_step(alert, close(Life.of(alert), reading.now), None, reading.now, report)
        elif not alert.stale:
            _write(alert, {"stale": True})


def _tell(alert: Alert, kind: str, now: datetime, report: AlertReport) -> None:
    """Log and signal what was written. A receiver that fails costs nobody else anything."""
    if kind == _KIND.RESOLVED:
        report.resolved.append(alert)
        logger.info("alert_resolved", **_fields(alert), duration_s=round(messages.lasted(alert, now), 1))
        alert_resolved.send_robust(sender=Alert, alert=alert)
        return
    (report.escalated if kind == _KIND.ESCALATED else report.fired).append(alert)
    log = logger.error if alert.severity == CRITICAL else logger.warning
    log("alert_fired", **_fields(alert), advice=alert.advice, kind=str(kind))
    totals.add(f"{totals.ALERTS_FIRED}:{alert.rule}")
    alert_fired.send_robust(sender=Alert, alert=alert)


def _fields(alert: Alert) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "node": alert.node,
        "severity": alert.severity,
        "summary": alert.summary,
        "value": alert.value,
        "threshold": alert.threshold,
        "peak": alert.peak,
        "silenced": is_silenced(alert, timezone.now()),
    }


def _log_unrecorded(judgements: Iterable[Judgement]) -> None:
    for judgement in judgements:
        if judgement.holds and not judgement.for_seconds:
            log = logger.error if judgement.severity == CRITICAL else logger.warning
            log(
                "alert_fired",
                rule=judgement.rule,
                node=judgement.node,
                severity=judgement.severity,
                summary=judgement.summary,
                advice=judgement.advice,
                value=judgement.value,
                threshold=judgement.threshold,
                kind=str(_KIND.FIRED),
                recorded=False,
            )


def _prune(now: datetime, config: Config) -> None:
    oldest = now - timedelta(days=config.sample_history_days)
    _rows().filter(state=_STATE.RESOLVED, resolved_at__lt=oldest).delete()
