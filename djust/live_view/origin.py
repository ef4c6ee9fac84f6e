"""Where the page was loaded from that opens a socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.utils.http import is_same_domain

from djust.live_view.request import as_http


def is_own(scope: Mapping[str, Any]) -> bool:
    """Return whether a handshake comes from a page of this site, or of one of ``CSRF_TRUSTED_ORIGINS``.

    Ports are not compared: proxies often pass the host on without its port, and cookies do not tell ports apart.
    """
    request = as_http(scope)
    try:
        parts = urlsplit(request.headers.get("Origin", ""))
        own = urlsplit(f"//{request.get_host()}").hostname
    except (DisallowedHost, ValueError):
        # ValueError: brackets that hold no address.
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    return parts.hostname == own or any(
        _is_trusted(parts.scheme, parts.netloc, trusted) for trusted in settings.CSRF_TRUSTED_ORIGINS
    )


def _is_trusted(scheme: str, netloc: str, trusted: str) -> bool:
    wanted = urlsplit(trusted)
    return scheme == wanted.scheme and is_same_domain(netloc, wanted.netloc.lstrip("*"))
