"""What ``manage.py check`` says of LiveViews."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.auth.decorators import login_required
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.asgi import get_asgi_application
from django.core.checks import run_checks
from django.template import engines
from django.urls import clear_url_caches, include, path

from djust import LiveView, event_handler
from djust.websocket import LiveViewConsumer

HEAD = "{% load live_tags %}<head>{% djust_client_config %}</head>"
ROOT = "<body><div dj-root>{{ count }}</div></body>"
TEMPLATES = {
    "whole.html": HEAD + ROOT,
    "head.html": HEAD,
    "root.html": ROOT,
    "bare.html": "<p>{{ count }}</p>{# dj-root #}",
    "base.html": HEAD + "<body>{% block content %}{% endblock %}</body>",
    "child.html": "{% extends 'base.html' %}{% block content %}{% if 1 %}<p dj-root></p>{% endif %}{% endblock %}",
    "orphan.html": "{% extends 'base.html' %}{% block content %}{{ count }}{% endblock %}",
    "parts.html": "{% include 'head.html' %}{% include 'root.html' %}{% include 'parts.html' %}",
    "chosen.html": "{% extends layout %}",
    "absent.html": "{% include 'nowhere.html' %}",
    "broken.html": "{% if %}",
    "childless.html": "{% extends 'nowhere.html' %}",
}
LOADERS = [("django.template.loaders.locmem.Loader", TEMPLATES)]
SOCKETS = URLRouter([path("chat/", LiveViewConsumer.as_asgi()), path("ws/live/", LiveViewConsumer.as_asgi())])

plain = get_asgi_application()
whole = ProtocolTypeRouter({"http": plain, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(SOCKETS))})
without_sockets = ProtocolTypeRouter({"http": plain})
elsewhere = ProtocolTypeRouter(
    {"websocket": AuthMiddlewareStack(URLRouter([path("ws/", LiveViewConsumer.as_asgi())]))}
)
without_users = ProtocolTypeRouter({"websocket": SOCKETS})


def own_application(scope: Any, receive: Any, send: Any) -> None:
    """Stands for an application about which nothing can be told."""


class OwnAuthentication(AuthenticationMiddleware):
    """Stands for a middleware that a project derives."""


class Good(LiveView):
    template_name = "whole.html"

    @event_handler
    def save(self) -> None:
        """Be called."""

    @event_handler
    def drop(self) -> None:
        """Be called."""


class Better(Good):
    drop = None  # type: ignore[assignment]

    @event_handler
    def save(self) -> None:
        """Be called."""


class Forgetful(Good):
    def save(self) -> None:
        """Be called by nobody."""


urlpatterns: list[Any] = []

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(autouse=True)
def good(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with one LiveView with which nothing is wrong."""
    settings.ASGI_APPLICATION = f"{__name__}.whole"
    settings.TEMPLATES = [
        {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": LOADERS}}
    ]
    show(monkeypatch, Good)


def show(monkeypatch: pytest.MonkeyPatch, *views: Any) -> None:
    """Let the project consist of these views."""
    monkeypatch.setattr(f"{__name__}.urlpatterns", [path(f"{at}/", view.as_view()) for at, view in enumerate(views)])
    clear_url_caches()


def found() -> list[tuple[str, str]]:
    """Return id and text of what ``check`` says about djust."""
    return [(str(message.id), str(message.msg)) for message in run_checks(tags=["djust"])]


def ids() -> list[str]:
    return [name for name, _ in found()]


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert found() == []


def test_nothing_is_asked_where_there_is_no_live_view(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    show(monkeypatch)
    settings.ASGI_APPLICATION = None
    settings.MIDDLEWARE = []
    assert found() == []


def test_it_is_found_below_others_and_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ASGI_APPLICATION = None
    inner = [path("a/", login_required(Forgetful.as_view())), path("b/", Forgetful.as_view())]
    monkeypatch.setattr(f"{__name__}.urlpatterns", [path("shop/", include(inner))])
    clear_url_caches()
    assert ids() == ["djust.W018", "djust.W021"]


def test_urls_that_cannot_be_read_are_left_to_django(settings: Any) -> None:
    settings.ASGI_APPLICATION = None
    settings.ROOT_URLCONF = "nowhere.urls"
    assert found() == []


@pytest.mark.parametrize(
    ("application", "trouble"),
    [
        (None, "ASGI_APPLICATION is not set"),
        ("nonsense", "ASGI_APPLICATION cannot be used (Cannot find ASGI_APPLICATION setting)"),
        ("nowhere.asgi.application", "Cannot import"),
        (f"{__name__}.nothing", "Cannot find 'nothing'"),
        (f"{__name__}.plain", "answers HTTP only"),
        (f"{__name__}.without_sockets", "has no application for 'websocket'"),
        (f"{__name__}.elsewhere", "has nothing at /ws/live/"),
        (f"{__name__}.without_users", "are not inside AuthMiddlewareStack"),
    ],
)
def test_sockets_that_lead_nowhere(application: str | None, trouble: str, settings: Any) -> None:
    settings.ASGI_APPLICATION = application
    [(name, text)] = found()
    assert name == "djust.W018"
    assert trouble in text


def test_an_application_that_only_web_servers_can_load_fails_nothing(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asgi_for_servers.py").write_text('import os\n\nos.environ["ONLY_WEB_SERVERS_HAVE_THIS"]\n')
    monkeypatch.syspath_prepend(tmp_path)
    settings.ASGI_APPLICATION = "asgi_for_servers.application"
    assert found() == []


def test_what_nobody_can_tell_is_not_said(settings: Any) -> None:
    settings.ASGI_APPLICATION = f"{__name__}.own_application"
    assert found() == []


@pytest.mark.parametrize(
    "missing",
    [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
)
def test_nobody_is_known_without_middleware(missing: str, settings: Any) -> None:
    settings.MIDDLEWARE = ["nowhere.Middleware", *(name for name in settings.MIDDLEWARE if name != missing)]
    [(name, text)] = found()
    assert name == "djust.W019"
    assert f"no '{missing}' in MIDDLEWARE" in text
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, missing]
    assert found() == []


def test_a_derived_middleware_will_do(settings: Any) -> None:
    settings.MIDDLEWARE = [
        f"{__name__}.OwnAuthentication" if name.endswith("AuthenticationMiddleware") else name
        for name in settings.MIDDLEWARE
    ]
    assert found() == []


def test_nobody_is_known_without_apps(settings: Any) -> None:
    without = ("django.contrib.sessions", "django.contrib.admin", "django.contrib.messages")
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name not in without]
    [(name, text)] = found()
    assert name == "djust.W019"
    assert "no 'django.contrib.sessions' in INSTALLED_APPS" in text


@pytest.mark.parametrize(
    ("template", "trouble"),
    [
        ("whole.html", None),
        ("child.html", None),
        ("parts.html", None),
        ("chosen.html", None),
        ("absent.html", None),
        ("head.html", "has no dj-root."),
        ("orphan.html", "has no dj-root."),
        ("root.html", "has no {% djust_client_config %}."),
        ("bare.html", "has no dj-root and no {% djust_client_config %}."),
        ("broken.html", "cannot be read: TemplateSyntaxError"),
        ("nowhere.html", "needs the template nowhere.html, which does not exist"),
        ("childless.html", "needs the template nowhere.html, which does not exist"),
        (None, "has no template_name"),
    ],
)
def test_templates(template: str | None, trouble: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Good, "template_name", template)
    if trouble is None:
        assert found() == []
    else:
        [(name, text)] = found()
        assert name == "djust.W020"
        assert trouble in text


def test_templates_of_another_language(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign:
        """Stands for a template of Jinja."""

    monkeypatch.setattr(type(engines["django"]), "get_template", lambda self, name: Foreign())
    assert found() == []


def test_a_handler_that_an_override_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    show(monkeypatch, Better)
    assert found() == []
    show(monkeypatch, Forgetful)
    [(name, text)] = found()
    assert (name, "Forgetful.save overrides an event handler" in text) == ("djust.W021", True)
