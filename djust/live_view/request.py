"""The request of a view whose browser speaks through a socket."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib.messages.storage.base import BaseStorage, Message
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeData, mark_safe

#: How many messages a page goes on to show until its next event.
MOST_MESSAGES = 10


class SocketMessages(BaseStorage):
    """Django's messages of one socket: kept in memory until a template shows them."""

    def _get(self, *args: Any, **kwargs: Any) -> tuple[list[Message], bool]:
        return [], True

    def _store(self, messages: list[Message], response: Any, *args: Any, **kwargs: Any) -> list[Message]:
        return []

    _queued_messages: list[Message]

    def repeat(self, messages: list[list[Any]]) -> None:
        """Show messages again, before those that were added since. Each is what ``packed`` returned."""
        self._queued_messages[:0] = [unpacked(message) for message in messages]

    def take(self) -> list[Message]:
        """Return, and forget, what no template has shown."""
        left, self._queued_messages = self._queued_messages, []
        return left


class SocketRequest(HttpRequest):
    """A GET request for the page's own address, with the user and the session of the socket.

    One lives as long as its socket, so what is not asked for is not built.
    """

    def __init__(self, scope: Mapping[str, Any], uri: str) -> None:
        self._scope = scope
        self._read_started = False
        self.method = "GET"
        self.resolver_match = None
        self.content_type = None
        self.content_params = None
        self.session = scope.get("session")  # type: ignore[assignment]
        self.user = scope.get("user")  # type: ignore[assignment]
        self.move(uri)

    async def auser(self) -> Any:
        """Return the user, as ``request.auser()`` does in an asynchronous view."""
        return self.user

    def move(self, uri: str, prefix: str = "/") -> None:
        """Let the address be another one.

        Args:
            uri: A path with a query, escaped as in a link.
            prefix: The path that the site is mounted at.
        """
        path, _, query = uri.partition("?")
        self.path = unquote(path)
        self.path_info = path_below(prefix, self.path)
        self._query = query.partition("#")[0]
        self.__dict__.pop("GET", None)
        self.__dict__.pop("META", None)

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]  # noqa: N802 - Django's name
        return QueryDict(self._query)

    @cached_property
    def POST(self) -> QueryDict:  # type: ignore[override]  # noqa: N802 - Django's name
        return QueryDict()

    @cached_property
    def FILES(self) -> dict[str, Any]:  # type: ignore[override]  # noqa: N802 - Django's name
        return {}

    @property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # noqa: N802 - Django's name
        cookies: dict[str, str] = self._scope.get("cookies", {})
        return cookies

    @cached_property
    def META(self) -> dict[str, Any]:  # type: ignore[override]  # noqa: N802 - Django's name
        meta = as_http(self._scope, self.path, self._query).META
        if csrf := self.COOKIES.get(settings.CSRF_COOKIE_NAME):
            meta.setdefault("CSRF_COOKIE", csrf)
        return meta

    @cached_property
    def _messages(self) -> SocketMessages:
        return SocketMessages(self)

    def renew_session(self) -> None:
        """Let the session be read again when it is asked for: it may have been written since the handshake."""
        session: Any = self.session
        if session is not None and session.session_key:
            self.session = session_store(session.session_key)

    def save_session(self) -> None:
        """Save the session if it was changed. A new one cannot be kept: its cookie would reach nobody."""
        session: Any = self.session
        if session is not None and session.modified and session.session_key:
            session.save()
            self.renew_session()

    def forget_headers(self) -> None:
        """Forget the headers until they are asked for again: they are the largest part of a request."""
        self.__dict__.pop("META", None)

    def take_messages(self) -> list[Message]:
        """Return, and forget, the messages that were added and not shown."""
        storage = self.__dict__.get("_messages")
        return storage.take() if storage is not None else []

    def forget_messages(self) -> None:
        """Forget the messages of an event that did not work."""
        self.__dict__.pop("_messages", None)

    def repeat_messages(self, messages: list[list[Any]]) -> None:
        """Let the next template show messages again."""
        if messages:
            self._messages.repeat(messages)

    def take_shown_messages(self) -> list[list[Any]]:
        """Return, and forget, the messages that a template has shown."""
        storage = self.__dict__.get("_messages")
        if storage is None or not storage.used:
            return []
        del self.__dict__["_messages"]
        return shown_messages(storage)

    def _get_scheme(self) -> str:
        return "https" if self._scope.get("scheme") in ("wss", "https") else "http"


def path_below(prefix: str, path: str) -> str:
    """Return a path as the URLs of a site know it that is mounted at ``prefix``."""
    return path[len(prefix) - 1 :] if path.startswith(prefix) else path


def session_store(key: str) -> Any:
    """Return the Django session with this key. Nothing is read before it is asked for."""
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def shown_messages(storage: Any) -> list[list[Any]]:
    """Return the messages that a template has shown, the last of them if they are many, each as by ``packed``.

    Args:
        storage: Where a request keeps its messages; ``None``: nowhere.
    """
    if storage is None or not storage.used:
        return []
    return [packed(message) for message in storage][-MOST_MESSAGES:]


def packed(message: Message) -> list[Any]:
    """Return a message as what can be stored and sent."""
    flat = [message.level, _plain(message.message), _plain(message.extra_tags or "")]
    return [*flat, True] if isinstance(message.message, SafeData) else flat


def _plain(text: Any) -> str:
    # What is marked as safe stays so through str() alone, and no store takes that.
    return "".join([str(text)])


def unpacked(flat: list[Any]) -> Message:
    """Return the message of which ``packed`` made ``flat``."""
    level, text, tags, *is_safe = flat
    # It was safe when it was packed, and nobody but this site can have written it.
    return Message(level, mark_safe(text) if is_safe else text, extra_tags=tags)  # noqa: S308


def as_http(scope: Mapping[str, Any], path: str = "/", query: str = "") -> ASGIRequest:
    """Return the handshake of a socket as the HTTP request that it was."""
    scheme = {"wss": "https", "ws": "http"}.get(str(scope.get("scheme")), scope.get("scheme", "http"))
    http = {
        **scope,
        "type": "http",
        "method": "GET",
        "scheme": scheme,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
    }
    return ASGIRequest(http, BytesIO())
