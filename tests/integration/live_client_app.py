"""A site of one view, served by uvicorn: what a client can meet."""

from __future__ import annotations

import os
from typing import Any

import django
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

PAGE = (
    "{% load live_tags %}<html><head>{% djust_client_config %}</head><body dj-view='{{ dj_view_id }}'><main dj-root>"
    "<b>{{ count }}</b><i>{{ text }}</i><u>{{ part }}</u><s>{{ heard }}</s>"
    "<input dj-model='text'></main></body></html>"
)

settings.configure(
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        *("django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"),
        *("django_celery_beat", "djust"),
    ],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    STATIC_URL="/static/",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})],
                "libraries": {"live_tags": "djust.templatetags.live_tags"},
            },
        }
    ],
    DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": os.environ["REDIS_URL"], "HEARTBEAT_SECONDS": 0.5},
)
django.setup()

from djust import LiveView, event_handler  # noqa: E402 - models need settings
from djust.live_view import broadcast  # noqa: E402
from djust.websocket import LiveViewConsumer  # noqa: E402


class Page(LiveView):
    """Does one of each."""

    template_name = "page.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0
        self.text = "ä𝄞"
        self.heard = ""
        self.page_title = "Zero"
        self.subscribe("all")

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        self.part = params.get("part", "first")

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.heard = message

    @event_handler
    def add(self, by: int = 1) -> None:
        self.count += by
        self.page_title = f"At {self.count}"

    @event_handler
    def shout(self, message: str) -> None:
        broadcast("all", message)

    @event_handler
    def fail(self) -> None:
        raise RuntimeError("on purpose")

    @event_handler
    def go(self) -> None:
        self.push_event("went", {"to": 2})
        self.live_patch({"part": "second"})


def plain(request: HttpRequest) -> HttpResponse:
    """Answer with a page that is not live."""
    return HttpResponse("<html></html>")


urlpatterns = [path("", Page.as_view()), path("plain/", plain)]
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AuthMiddlewareStack(URLRouter([path("ws/live/", LiveViewConsumer.as_asgi())])),
    }
)
