"""Whether ``DJUST_CONFIG`` can be used at all."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from djust.conf import SETTING, Config, get_config
from djust.exceptions import DjustError
from djust.monitoring.alerting.rules import configured
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import backend_class


@register("djust")
def check_config(**_: Any) -> list[CheckMessage]:
    """Say at start what is wrong with ``DJUST_CONFIG``, without building the backend."""
    try:
        config = get_config()
        backend_class(config).from_config(config)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="djust.E001")]
    except DjustError as error:
        # What only the backend can judge.
        return [Error(f"{SETTING} cannot be used: {error}", id="djust.E001")]
    return []


@register("djust")
def check_alert_rules(**_: Any) -> list[CheckMessage]:
    """Say at start what is wrong with ``ALERT_RULES``, which no check of the store would notice."""
    usable = usable_config()
    if usable is None:
        return []
    try:
        configured(usable[0])
    except ImproperlyConfigured as error:
        return [Error(str(error), hint="See docs/alerts.md.", id="djust.E002")]
    return []


def usable_config() -> tuple[Config, type[StateBackend]] | None:
    """Return the settings and the class of the backend, or ``None`` where ``djust.E001`` says what is wrong."""
    if check_config():
        return None
    config = get_config()
    return config, backend_class(config)
