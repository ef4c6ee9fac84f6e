"""A page that a socket has joined: its view, its record, and what the browser shows. Sends and stores nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from inspect import isawaitable
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import TooManyFieldsSent
from django.middleware.csrf import get_token
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.functional import SimpleLazyObject

from djust.live_view.attributes import forget_computed, public_attributes, restore, shape_of
from djust.live_view.carried import carry
from djust.live_view.coercion import coercer_for
from djust.live_view.errors import InvalidEvent, PageGone, PageStale, Refused, ViewError
from djust.live_view.handlers import handlers_of
from djust.live_view.protocol import Close
from djust.live_view.rendering import ON_SOCKET, bound_fields, inner_html, render
from djust.live_view.request import SocketRequest, path_below
from djust.live_view.runtime import IS_PATH, Navigation, path_of
from djust.live_view.splice import splices_between
from djust.live_view.stored import PageRecord, pack, unpack
from djust.live_view.surroundings import inside
from djust.state_backend.records import Session

_MAX_PATCHES = 5


class Steps:
    """What is left to do for one event: each step is called in turn, in a thread."""

    __slots__ = ("followed", "last", "left")

    def __init__(self, first: Callable[[], Any]) -> None:
        self.left = [first]
        #: How many changes of the address were followed, and the last of them.
        self.followed = 0
        self.last: Navigation | None = None


class LivePage:
    """One page. Its methods must not be called at the same time."""

    __slots__ = ("_html", "_title", "key", "record", "request", "version", "view")

    def __init__(self, session: Session, request: SocketRequest) -> None:
        """Bring a stored page back.

        Raises:
            PageStale: The view is no longer what it was when the page was stored.
        """
        self.key = session.key
        self.request = request
        self._html = b""
        self._title: str | None = None
        self.adopt(session)

    def adopt(self, session: Session) -> None:
        """Take over what is stored: the state that another tab or server saved, or that was before a failed event."""
        record = unpack(session.state)
        if record is None:
            raise PageStale
        self.request.forget_messages()
        self.request.move(record.uri, record.prefix)
        with inside(record):
            self.view = self._view_at(record, session.label)
        restore(self.view, session.state)
        self.view.djust.topics.update(record.topics)
        self.record = record
        self.version = session.version

    # What a browser asks for, as steps

    def steps(self, frame: Mapping[str, Any]) -> Steps | None:
        """Return the steps of a frame, or ``None`` if it leads to another view.

        Raises:
            Refused: The frame asks for what it may not have.
            InvalidEvent: What it brings along does not fit.
        """
        self.begin()
        self.record.messages = []
        if frame["t"] == "event":
            return self._event_steps(frame["name"], frame.get("args", []), frame.get("params", {}))
        if frame["t"] == "model":
            return self._model_steps(frame["field"], frame["value"])
        with self.surrounded():
            return self._url_steps(frame["uri"])

    def _event_steps(self, name: str, args: list[Any], params: Mapping[str, Any]) -> Steps:
        view_class: Any = type(self.view)
        handler = handlers_of(view_class).get(name)
        if handler is None:
            raise Refused(Close.NO_HANDLER, "The view has no handler of this name.")
        by_position, by_name = handler.bind(args, params)
        return Steps(partial(getattr(self.view, name), *by_position, **by_name))

    def _model_steps(self, field: str, value: Any) -> Steps:
        allowed = self.view.allowed_model_fields
        if field not in (bound_fields(self.html) if allowed is None else allowed):
            raise Refused(Close.NOT_BINDABLE, "The template does not bind this field.")
        attributes = public_attributes(self.view)
        if field not in attributes:
            raise InvalidEvent(f"{type(self.view).__name__} has no attribute {field}: set it in mount().")
        current = attributes[field]
        coercer = coercer_for(type(current))
        if current is None and isinstance(value, (list, dict)):
            raise InvalidEvent(f"{field} must be text, a number or true or false.")
        if coercer is not None:
            try:
                value = coercer(value)
            except (ValueError, TypeError, ArithmeticError):
                raise InvalidEvent(f"{field} must be {coercer.expected}.") from None
        return Steps(partial(setattr, self.view, field, value))

    def _url_steps(self, uri: str) -> Steps | None:
        if not IS_PATH.match(uri):
            raise Refused(Close.MALFORMED, "An address is a path of this site.")
        return Steps(partial(self._follow, uri)) if self._stays(uri) else None

    def broadcast_steps(self, topic: str, message: Any) -> Steps:
        """Return the steps of a broadcast."""
        self.begin()
        return Steps(partial(self.view.handle_broadcast, topic, message))

    def begin(self) -> None:
        """Forget what holds for one event: what was computed or read then may be something else by now."""
        forget_computed(self.view)
        self.request.renew_session()

    def _stays(self, uri: str) -> bool:
        """Whether an address leads to this view by the same entry of the URLs: another may have other guards."""
        path = unquote(uri.partition("?")[0])
        here = self.request.resolver_match
        if path == self.request.path or here is None or not path.startswith(self.record.prefix):
            return path == self.request.path
        there = _live_view_at(path_below(self.record.prefix, path))
        return there is not None and _entry(there) == _entry(here)

    # Work. It runs in a thread, but for what is asynchronous in it

    def work(self, steps: Steps) -> Any:
        """Take the steps; return an awaitable that is part of them, after which this is to be called again.

        Returns:
            ``None`` when all is done.
        """
        with self.surrounded():
            while True:
                while steps.left:
                    result = steps.left.pop(0)()
                    if isawaitable(result):
                        return result
                runtime = self.view.djust
                navigation = runtime.navigation
                if navigation is None or navigation.kind != "patch" or navigation is steps.last:
                    return None
                if not self._stays(navigation.url):
                    runtime.navigation = navigation._replace(kind="redirect")
                    continue
                if steps.followed == _MAX_PATCHES:
                    raise ViewError(f"{type(self.view).__name__}.handle_params patches the address without end.")
                steps.followed, steps.last = steps.followed + 1, navigation
                steps.left.append(partial(self._follow, navigation.url))

    def render(self) -> dict[str, Any]:
        """Render the view and return what changed: an update without a number.

        It shows the messages that were shown before, too, unless there was an event since.
        """
        navigation = self.view.djust.navigation
        # Taken before a template can show them: the page that is gone to shows them.
        carried = carry(self.request.take_messages()) if navigation and navigation.kind == "redirect" else None
        self.request.repeat_messages(self.record.messages)
        with self.surrounded():
            page = render(self.view, self.request, csrf_token=SimpleLazyObject(self._csrf), **{ON_SOCKET: True})
            html = inner_html(self.view, page)
        old = self.html
        self._html = html.encode()
        update: dict[str, Any] = {"t": "update", "splices": splices_between(old, html)}
        self.record.messages = self.request.take_shown_messages()
        return self._with_outbox(update, carried)

    def render_whole(self) -> dict[str, Any]:
        """Render the view and return all of it: an update without a number."""
        update = self.render()
        del update["splices"]
        update["html"] = self.html
        return update

    @property
    def html(self) -> str:
        """What was rendered last: the inner HTML of the element with ``dj-root``."""
        return self._html.decode()

    def stored(self) -> dict[str, Any]:
        """Return what is to be stored."""
        self.record.topics = sorted(self.view.djust.topics)
        return pack(public_attributes(self.view), self.record)

    def attributes(self) -> dict[str, Any]:
        """Return the state of the view."""
        return public_attributes(self.view)

    def _follow(self, uri: str) -> Any:
        self.request.move(uri, self.record.prefix)
        self.record.uri = uri
        try:
            params = self.request.GET.dict()
        except TooManyFieldsSent:
            raise Refused(Close.MALFORMED, "The address has too many fields.") from None
        return self.view.handle_params(params, uri)

    def _view_at(self, record: PageRecord, label: str | None) -> Any:
        """Return a new view for a stored page, if this release has the same one at its address."""
        match = _live_view_at(self.request.path_info)
        view_class: Any = getattr(match.func, "view_class", None) if match is not None else None
        if match is None or path_of(view_class) != label or shape_of(view_class) != record.shape:
            raise PageStale
        self.request.resolver_match = match
        view = view_class(**getattr(match.func, "view_initkwargs", {}))
        view.setup(self.request, *match.args, **match.kwargs)
        return view

    def _with_outbox(self, update: dict[str, Any], carried: str | None) -> dict[str, Any]:
        runtime = self.view.djust
        if pushed := runtime.take_pushed():
            update["events"] = pushed
        navigation = runtime.take_navigation()
        if navigation is not None:
            update["nav"] = {"kind": navigation.kind, "url": navigation.url, "replace": navigation.replace}
            if carried:
                update["nav"]["messages"] = carried
        title = getattr(self.view, "page_title", None)
        if isinstance(title, str) and title != self._title:
            self._title = update["title"] = title
        return update

    def _csrf(self) -> str:
        # Django masks the token anew at each call, which would be a change of the page with each event. And only the
        # answer with the first page could bring the cookie along that it is compared with.
        if self.record.csrf is None:
            self.record.csrf = get_token(self.request)
            self.request.forget_headers()
        return self.record.csrf

    def surrounded(self) -> AbstractContextManager[None]:
        """Return a context in which all is as it was for the page's request."""
        return inside(self.record)


def _live_view_at(path: str) -> ResolverMatch | None:
    """Return where a path leads, if that is a LiveView."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    return match if hasattr(getattr(match.func, "view_class", None), "state_version") else None


def _entry(match: ResolverMatch) -> tuple[Any, ...]:
    """Return what tells an entry of the URLs, and what it captured, from others. Middleware may guard paths alone."""
    return match.func, match.route, match.args, match.kwargs


def page_of(session: Session | None, request: SocketRequest, label: str) -> LivePage:
    """Return the page that a session holds.

    Raises:
        PageGone: There is no such session.
        PageStale: The view is no longer what it was.
    """
    if session is None or session.label != label:
        raise PageGone
    return LivePage(session, request)
