"""LiveViews without a browser: pages are asked for through the URLs, and events run as a server would run them."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import Client

from djust.exceptions import CodecError, InvalidArgument
from djust.live_view.attributes import explain
from djust.live_view.errors import ViewError
from djust.live_view.page import LivePage, Steps, page_of
from djust.live_view.request import SocketRequest
from djust.live_view.runtime import Navigation
from djust.live_view.tokens import read
from djust.state_backend.registry import get_backend

_CONFIG = re.compile(r'data-djust="([^"]*)"')
_CLIENT = "test-client"


class LiveViewTestClient(Client):
    """Django's test client, which can also open LiveViews: ``client.live("/counter/")``."""

    def live(self, path: str, **extra: Any) -> LiveTestPage:
        """Ask for a page and connect to it.

        Args:
            path: Path and query.
            extra: What ``Client.get`` takes.

        Raises:
            InvalidArgument: What is there is no LiveView, or its template has no ``{% djust_client_config %}``.
        """
        response: Any = self.get(path, **extra)
        found = _CONFIG.search(response.content.decode())
        token = json.loads(html.unescape(found.group(1))).get("token") if found else None
        if response.status_code != 200 or token is None:
            raise InvalidArgument(
                f"{path} answered with status {response.status_code} and no LiveView: its template needs "
                "{% load live_tags %} and {% djust_client_config %} in its head."
            )
        return LiveTestPage(self, response, token)


class LiveTestPage:
    """A page with an open socket. Each event runs on a view that comes fresh from the store, as on another server."""

    def __init__(self, client: Client, response: HttpResponse, token: str) -> None:
        #: The answer that brought the page.
        self.response = response
        #: What ``push_event`` sent so far, as pairs of event and payload.
        self.pushed: list[tuple[str, Any]] = []
        #: Where the last event sent the page, or ``None``.
        self.navigation: Navigation | None = None
        self._number = 0
        self._scope = _scope_of(client, response)
        self._token = token
        self._page = self._load()

    @property
    def view(self) -> Any:
        """The view, as it was after the last event."""
        return self._page.view

    @property
    def html(self) -> str:
        """The inner HTML of the element with ``dj-root``, as the browser shows it."""
        return self._page.html

    @property
    def state(self) -> dict[str, Any]:
        """The public attributes of the view."""
        return self._page.attributes()

    def event(self, name: str, /, *args: Any, **params: Any) -> LiveTestPage:
        """Call a handler as a browser would, and return this page.

        Raises:
            Refused: There is no such handler.
            InvalidEvent: The arguments do not fit.
            ViewError: The state cannot be stored.
            Exception: Whatever the handler raises.
        """
        return self._do({"t": "event", "name": name, "args": list(args), "params": params})

    def set(self, field: str, value: Any) -> LiveTestPage:
        """Change a field that the template binds with ``dj-model``."""
        return self._do({"t": "model", "field": field, "value": value})

    def patch(self, uri: str) -> LiveTestPage:
        """Change the address within the view, as ``dj-patch`` does: path and query."""
        return self._do({"t": "url", "uri": uri})

    def hear(self, topic: str, message: Any = None) -> LiveTestPage:
        """Hear a broadcast, if the view subscribed to its topic."""
        page = self._load()
        if topic in page.view.djust.topics:
            self._run(page, page.broadcast_steps(topic, message))
        return self

    def _do(self, frame: dict[str, Any]) -> LiveTestPage:
        page = self._load()
        steps = page.steps(json.loads(json.dumps(frame)))
        if steps is None:
            raise InvalidArgument(f"{frame['uri']} leads to another view: open it with client.live().")
        self._number += 1
        page.record.note(_CLIENT, self._number)
        self._run(page, steps)
        return self

    def _run(self, page: LivePage, steps: Steps) -> None:
        while (pending := page.work(steps)) is not None:
            async_to_sync(_wait)(pending)
        navigation = page.view.djust.navigation
        update = page.render()
        try:
            saved = get_backend().set(page.key, page.stored(), expected_version=page.version)
        except CodecError as error:
            raise ViewError(explain(page.view, page.attributes())) from error
        page.version = saved.version
        self._page = page
        self.navigation = navigation
        self.pushed += [(event, payload) for event, payload in update.get("events", ())]

    def _load(self) -> LivePage:
        request = SocketRequest(self._scope, "/")
        token = read(self._token, request)
        page = page_of(get_backend().get(token.key), request, token.view)
        page.render()
        return page


def _scope_of(client: Client, response: Any) -> dict[str, Any]:
    request = response.wsgi_request
    return {
        "type": "websocket",
        "scheme": "ws",
        "headers": [(b"host", request.get_host().encode())],
        "cookies": {name: morsel.value for name, morsel in client.cookies.items()},
        "user": getattr(request, "user", None),
        "session": getattr(request, "session", None),
    }


async def _wait(pending: Any) -> Any:
    return await pending
