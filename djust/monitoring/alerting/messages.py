"""What people read of an alert, and the outbox that takes it to them."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from djust.conf import get_config
from djust.log import hashed
from djust.models import Alert, AlertMessage
from djust.monitoring.alerting.rules import RULES
from djust.monitoring.wording import duration, figure, local, with_unit

_KIND = AlertMessage.Kind


def queue(alert: Alert, kind: str, now: datetime) -> list[AlertMessage]:
    """Put a message for each channel into the outbox, in the caller's transaction.

    The row names an Apprise URL by a hash, since it may hold a token.
    """
    subject, body = write_subject(alert, kind), write_body(alert, kind, now)
    channel = AlertMessage.Channel
    targets = [(channel.EMAIL, "")] if mails_admins() else []
    targets += [(channel.APPRISE, name_of(url)) for url in dict.fromkeys(get_config().alert_urls)]
    return AlertMessage.objects.bulk_create(
        AlertMessage(
            alert=alert,
            kind=kind,
            channel=channel,
            target=target,
            subject=subject,
            body=body,
            created_at=now,
            next_attempt_at=now,
        )
        for channel, target in targets
    )


def mails_admins() -> bool:
    """Return whether alerts are mailed to Django's ``ADMINS``."""
    return get_config().alert_email and bool(settings.ADMINS)


def name_of(url: str) -> str:
    """Return what an Apprise URL is called in the outbox."""
    return hashed(url)


def write_subject(alert: Alert, kind: str) -> str:
    """Return one line: what, how severe, where."""
    what = f"{alert.rule} on {alert.node}" if alert.node else alert.rule
    words = {
        _KIND.FIRED: f"{alert.severity}: {what}",
        _KIND.ESCALATED: f"worse, {alert.severity}: {what}",
        _KIND.RESOLVED: f"resolved: {what}",
    }
    return words[_KIND(kind)]


def write_body(alert: Alert, kind: str, now: datetime) -> str:
    """Return what is wrong, since when, the figures, what to do and how to acknowledge it, as plain text."""
    lines = [_first_line(alert, kind, now), ""]
    lines += [f"{name + ':':<11}{text}" for name, text in _facts(alert, kind) if text]
    if kind != _KIND.RESOLVED:
        if alert.advice:
            lines += ["", "What to do:", alert.advice]
        lines += ["", f"To acknowledge or silence it: {admin_place(alert)}"]
    return "\n".join(lines) + "\n"


def lasted(alert: Alert, now: datetime) -> float:
    """Return the seconds since an alert began to fire."""
    return max(0.0, ((alert.resolved_at or now) - (alert.fired_at or alert.pending_since)).total_seconds())


def admin_place(alert: Alert) -> str:
    """Return where in Django admin an alert is: a link with ``SITE_URL``, a path without, or words without a path."""
    try:
        return (get_config().site_url or "").rstrip("/") + reverse("admin:djust_alert_change", args=[alert.pk])
    except (NoReverseMatch, ImproperlyConfigured, ImportError):
        return f"Django admin, Djust, Alerts, number {alert.pk}"


def _first_line(alert: Alert, kind: str, now: datetime) -> str:
    if kind == _KIND.RESOLVED:
        return f"It is over after {duration(lasted(alert, now))}. It was: {alert.summary}"
    return alert.summary


def _facts(alert: Alert, kind: str) -> list[tuple[str, str]]:
    unit = RULES[alert.rule].unit if alert.rule in RULES else ""
    peak = "" if alert.peak is None else with_unit(alert.peak, unit)
    value = "" if alert.value is None else with_unit(alert.value, unit)
    if value and alert.threshold is not None:
        value += f" (threshold {figure(alert.threshold)})"
    facts = [
        ("Rule", alert.rule),
        ("Server", alert.node),
        ("Severity", alert.severity),
        ("Since", _moment(alert.fired_at)),
    ]
    if kind == _KIND.RESOLVED:
        facts += [("Until", _moment(alert.resolved_at)), ("Now", value), ("At worst", peak)]
    else:
        facts += [("Figure", value), ("At worst", peak if alert.peak != alert.value else "")]
    if alert.returns:
        facts.append(("Came back", f"{alert.returns} times" if alert.returns > 1 else "once"))
    return facts


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{local(at):%Y-%m-%d %H:%M:%S %Z}".rstrip()
