"""Whether the LiveViews of a project can go live: their templates, their handlers, and the way of their sockets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from channels.auth import AuthMiddleware
from channels.routing import ProtocolTypeRouter, URLRouter, get_default_application
from django.apps import apps
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.template import TemplateDoesNotExist
from django.urls import Resolver404
from django.utils.module_loading import import_string

from djust.checks.addresses import patterns
from djust.checks.templates import missing_in
from djust.decorators import MARK
from djust.live_view import LiveView
from djust.live_view.runtime import path_of
from djust.templatetags.live_tags import SOCKET_PATH

_MOUNT = f"docs/live-views.md shows an asgi.py that mounts LiveViewConsumer at {SOCKET_PATH.lstrip('/')}."
_APPS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions")
_MIDDLEWARE = (SessionMiddleware, AuthenticationMiddleware)


@register("djust")
def check_live_views(**_: Any) -> list[CheckMessage]:
    """Say what keeps the LiveViews of this project from going live."""
    views = _live_views()
    if not views:
        return []
    found: list[CheckMessage] = [*_of_the_sockets(), *_of_the_users()]
    for view in views:
        found += _of_the_template(view)
        found += _of_the_handlers(view)
    return found


def _live_views() -> list[type[LiveView]]:
    """Return the LiveViews that have an address, each once, in the order of their addresses."""
    classes = (getattr(pattern.callback, "view_class", None) for pattern in patterns())
    return list(dict.fromkeys(one for one in classes if isinstance(one, type) and issubclass(one, LiveView)))


def _of_the_sockets() -> Iterator[CheckMessage]:
    trouble = _trouble_of_the_sockets()
    if trouble:
        yield CheckWarning(
            f"There are LiveViews, but {trouble}: their pages are shown and never go live.",
            hint=f"Add 'channels' to INSTALLED_APPS, and set ASGI_APPLICATION. {_MOUNT}",
            id="djust.W018",
        )


def _trouble_of_the_sockets() -> str:
    name = getattr(settings, "ASGI_APPLICATION", None)
    if not name:
        return "ASGI_APPLICATION is not set"
    try:
        application = get_default_application()
    except ImproperlyConfigured as error:
        return f"ASGI_APPLICATION cannot be used ({str(error).rstrip('.')})"
    except Exception:  # noqa: BLE001 - the project's module may raise anything, where a variable is missing say
        # A server that is started with it says so itself, and no other command may fail for it.
        return ""
    if not isinstance(application, ProtocolTypeRouter):
        # Django's own application takes no socket. What any other does, only its author can say.
        is_plain = type(application).__module__.startswith("django.")
        return f"{name} answers HTTP only" if is_plain else ""
    way = list(_way(application.application_mapping.get("websocket")))
    if not way:
        return f"{name} has no application for 'websocket'"
    if isinstance(way[-1], URLRouter):
        if not _leads(way[-1]):
            return f"{name} has nothing at {SOCKET_PATH}"
        if not any(isinstance(part, AuthMiddleware) for part in way):
            return f"the sockets of {name} are not inside AuthMiddlewareStack"
    return ""


def _way(application: Any) -> Iterator[Any]:
    """Yield an application and those that it wraps, down to the one that chooses by address."""
    while application is not None:
        yield application
        if isinstance(application, URLRouter):
            return
        application = getattr(application, "inner", None) or getattr(application, "application", None)


def _leads(router: URLRouter) -> bool:
    path = SOCKET_PATH.lstrip("/")
    for route in router.routes:
        try:
            if route.pattern.match(path):
                return True
        except Resolver404:
            continue
    return False


def _of_the_users() -> Iterator[CheckMessage]:
    missing = [f"'{name}' in INSTALLED_APPS" for name in _APPS if not apps.is_installed(name)]
    missing += [f"'{path_of(middleware)}' in MIDDLEWARE" for middleware in _MIDDLEWARE if not _is_in_use(middleware)]
    if missing:
        yield CheckWarning(
            "A page and its socket must agree on whose they are, which takes Django's sessions and users. There is no "
            f"{' and no '.join(missing)}.",
            hint="Add what is missing, as startproject has it.",
            id="djust.W019",
        )


def _is_in_use(middleware: type) -> bool:
    return any(isinstance(one, type) and issubclass(one, middleware) for one in _installed_middleware())


def _installed_middleware() -> Iterator[Any]:
    for name in settings.MIDDLEWARE:
        try:
            yield import_string(name)
        except ImportError:
            # Django says so itself when it starts to serve.
            continue


def _of_the_template(view: type[LiveView]) -> Iterator[CheckMessage]:
    name = path_of(view)
    if not view.template_name:
        yield _template_warning(f"{name} has no template_name.", "Name the template that shows it.")
        return
    try:
        missing = missing_in(view.template_name)
    except TemplateDoesNotExist as error:
        yield _template_warning(f"{name} needs the template {error}, which does not exist.", None)
        return
    except Exception as error:  # noqa: BLE001 - tags of the project may raise anything, and no command may fail for it
        text = f"The template {view.template_name} of {name} cannot be read: {type(error).__name__}: {error}"
        yield _template_warning(text, None)
        return
    if missing:
        yield _template_warning(
            f"The template {view.template_name} of {name} has no {' and no '.join(missing)}.",
            "Put {% load live_tags %} and {% djust_client_config %} into the head, and what changes into "
            "<div dj-root>...</div>. If a tag of your own brings them along, silence this.",
        )


def _template_warning(text: str, hint: str | None) -> CheckWarning:
    return CheckWarning(text, hint=hint, id="djust.W020")


def _of_the_handlers(view: type[LiveView]) -> Iterator[CheckMessage]:
    for name in dir(view):
        function = inspect.getattr_static(view, name)
        if not inspect.isfunction(function) or hasattr(function, MARK):
            continue
        if any(hasattr(vars(base).get(name), MARK) for base in view.__mro__):
            yield CheckWarning(
                f"{path_of(view)}.{name} overrides an event handler and is none itself: a browser that calls it is "
                "refused.",
                hint="Decorate it with @event_handler, or give it another name.",
                id="djust.W021",
            )
