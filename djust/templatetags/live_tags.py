"""``{% load live_tags %}``: what a LiveView's template needs in its head."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from djust.conf import get_config
from djust.live_view.rendering import ON_SOCKET

register = template.Library()

#: Where the project mounts ``LiveViewConsumer``.
SOCKET_PATH = "/ws/live/"


@register.simple_tag(takes_context=True)
def djust_client_config(context: template.Context) -> SafeString:
    """Bring the client script along, and tell it how to join this page. It belongs into the head.

    On a page that is no LiveView the script only makes ``dj-navigate`` links work.
    """
    if context.get(ON_SOCKET):
        return SafeString("")
    limits = get_config()
    config: dict[str, Any] = {
        "url": SOCKET_PATH,
        "heartbeat": limits.heartbeat_seconds,
        "rate": limits.frame_rate,
        "burst": limits.frame_burst,
    }
    if token := context.get("djust_page_token"):
        config["token"] = token
    nonce = getattr(context.get("request"), "csp_nonce", "")
    return format_html(
        '<script src="{}?v={}" data-djust="{}"{} defer></script>',
        static("djust/live.js"),
        _version(),
        json.dumps(config, separators=(",", ":")),
        format_html(' nonce="{}"', nonce) if nonce else "",
    )


@cache
def _version() -> str:
    return version("djust")
