"""System checks."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from djust.conf import get_config
from djust.state_backend.registry import backend_class


@register("djust")
def check_config(**_: Any) -> list[CheckMessage]:
    """Say at start what is wrong with ``DJUST_CONFIG``, without building the backend."""
    try:
        config = get_config()
        backend_class(config).from_config(config)
    except ImproperlyConfigured as error:
        return [Error(str(error), id="djust.E001")]
    return []
