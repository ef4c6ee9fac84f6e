"""HTTP by Django, sockets by djust."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.hostile_site.settings")
django_application = get_asgi_application()

from djust.live_view import hub  # noqa: E402 - Django has to be set up before
from djust.websocket import LiveViewConsumer  # noqa: E402

if seconds := os.environ.get("LOGIN_SECONDS"):
    hub.LOGIN_SECONDS = float(seconds)
    hub.TICK_SECONDS = min(hub.TICK_SECONDS, float(seconds) / 2)

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AuthMiddlewareStack(URLRouter([path("ws/live/", LiveViewConsumer.as_asgi())])),
    }
)
