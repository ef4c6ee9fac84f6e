"""Alerts to the services behind ``ALERT_URLS``, by Apprise: the optional extra ``djust[alerts]``."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from djust.conf import get_config
from djust.models import AlertMessage
from djust.monitoring.alerting.delivery import NotDelivered
from djust.monitoring.alerting.judgement import CRITICAL
from djust.monitoring.alerting.messages import name_of

try:
    import apprise
except ImportError:
    apprise = None  # type: ignore[assignment]

_NOT_INSTALLED = "ALERT_URLS is set and Apprise is not installed: pip install 'djust[alerts]'."
_GONE = "ALERT_URLS of this worker does not name the service that this message is for."
_NOT_UNDERSTOOD = "Apprise does not understand URL number {} of ALERT_URLS."
_REFUSED = "The service behind URL number {} of ALERT_URLS did not take the message; Apprise's own log says why."


def send(message: AlertMessage, timeout_seconds: float) -> None:
    """Send a message to the service that it is for.

    Args:
        message: A row of the outbox.
        timeout_seconds: For the connection, and for the answer.

    Raises:
        NotDelivered: The service did not take it, or this worker cannot reach it. Another one may, whose settings are
            newer, or older.
    """
    if apprise is None:
        raise NotDelivered(_NOT_INSTALLED)
    number, url = _find(message.target)
    with _without_urls():
        service = apprise.Apprise.instantiate(url)
        if service is None:
            raise NotDelivered(_NOT_UNDERSTOOD.format(number))
        service.socket_connect_timeout = min(service.socket_connect_timeout, timeout_seconds)
        service.socket_read_timeout = min(service.socket_read_timeout, timeout_seconds)
        sender = apprise.Apprise()
        sender.add(service)
        if not sender.notify(title=message.subject, body=message.body, notify_type=_kind(message), body_format="text"):
            raise NotDelivered(_REFUSED.format(number))


def _find(target: str) -> tuple[int, str]:
    for number, url in enumerate(get_config().alert_urls, 1):
        if name_of(url) == target:
            return number, url
    raise NotDelivered(_GONE)


def _kind(message: AlertMessage) -> str:
    """Return what Apprise calls this: services show it by colour or sign."""
    if message.kind == AlertMessage.Kind.RESOLVED:
        return "success"
    return "failure" if message.alert.severity == CRITICAL else "warning"


@contextmanager
def _without_urls() -> Iterator[None]:
    """Keep URLs, which may be tokens, out of the logs of Apprise and of its HTTP client."""
    hide = _HideUrls()
    logs = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    for log in logs:
        log.addFilter(hide)
    try:
        yield
    finally:
        for log in logs:
            log.removeFilter(hide)


class _HideUrls(logging.Filter):
    _URL = re.compile(r"\b(\w+)://\S+")

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return False  # Paths and payloads.
        record.msg, record.args = self._URL.sub(r"\1://***", record.getMessage()), ()
        return True
