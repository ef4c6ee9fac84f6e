"""Whether people and machines see how the store is doing: logs, health, metrics, alerts."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from djust.checks.addresses import patterns
from djust.checks.config import usable_config
from djust.log import NAME
from djust.signals import alert_fired

#: Django's ways of not sending a mail.
_SILENT_BACKENDS = tuple(f"django.core.mail.backends.{name}." for name in ("console", "dummy", "filebased", "locmem"))


@register("djust", deploy=True)
def check_logging(**_: Any) -> list[CheckMessage]:
    """Warn where the events of djust are dropped."""
    logger = logging.getLogger(NAME)
    if logger.disabled:
        trouble = "is disabled: LOGGING disables existing loggers"
    elif not logger.hasHandlers():
        trouble = "reaches no handler: neither it nor the root logger has one"
    elif logger.getEffectiveLevel() > logging.WARNING:
        trouble = f"drops warnings: its level is {logging.getLevelName(logger.getEffectiveLevel())}"
    else:
        return []
    return [
        CheckWarning(
            f"The logger {NAME} {trouble}. Nobody will read of an outage or of lost sessions.",
            hint="Set LOGGING = djust.log.logging_config(), or give this logger a handler in yours; see "
            "docs/logging.md.",
            id="djust.W012",
        )
    ]


@register("djust", deploy=True)
def check_urls(**_: Any) -> list[CheckMessage]:
    """Warn where there is no address that a balancer could ask."""
    if any("health" in str(pattern.pattern) for pattern in patterns()):
        return []
    return [
        CheckWarning(
            "No address answers for the health of the store: a balancer cannot tell a server that lost Redis.",
            hint="Add path('djust/', include('djust.urls')) to the URLs of the project; see docs/health.md.",
            id="djust.W013",
        )
    ]


@register("djust", deploy=True)
def check_metrics(**_: Any) -> list[CheckMessage]:
    """Warn of metrics that anybody may read."""
    usable = usable_config()
    if usable is None or usable[0].metrics_token or find_spec("prometheus_client") is None:
        return []
    if not any(pattern.name == "metrics" and pattern.lookup_str.startswith("djust.") for pattern in patterns()):
        return []
    return [
        CheckWarning(
            "Whoever reaches this site may read its metrics: METRICS_TOKEN is not set.",
            hint="Set DJUST_CONFIG['METRICS_TOKEN'] from an environment variable, and give it to the scraper. If a "
            "proxy keeps the address private, silence this.",
            id="djust.W014",
        )
    ]


@register("djust")
def check_apprise(**_: Any) -> list[CheckMessage]:
    """Warn of addresses that nothing can send to."""
    usable = usable_config()
    if usable is None or not usable[0].alert_urls or find_spec("apprise") is not None:
        return []
    return [
        CheckWarning(
            "DJUST_CONFIG['ALERT_URLS'] names services, but apprise, which sends to them, is not installed.",
            hint="Install the extra: pip install 'djust[alerts]'.",
            id="djust.W015",
        )
    ]


@register("djust", deploy=True)
def check_alerts(**_: Any) -> list[CheckMessage]:
    """Warn of alerts that wake nobody."""
    usable = usable_config()
    if usable is None or usable[0].alert_urls or alert_fired.has_listeners():
        return []
    config = usable[0]
    if not config.alert_email or not settings.ADMINS:
        return [
            CheckWarning(
                "Alerts reach nobody but the log: there is nobody to mail them to (ADMINS, ALERT_EMAIL), no "
                "ALERT_URLS, and no receiver of the signal alert_fired.",
                hint="Set ADMINS, or DJUST_CONFIG['ALERT_URLS']; see docs/alerts.md.",
                id="djust.W016",
            )
        ]
    if settings.EMAIL_BACKEND.startswith(_SILENT_BACKENDS):
        return [
            CheckWarning(
                f"Alerts are mailed to ADMINS, but EMAIL_BACKEND is {settings.EMAIL_BACKEND}, which sends nothing.",
                hint="Set EMAIL_BACKEND and EMAIL_HOST to a mail server.",
                id="djust.W017",
            )
        ]
    return []
