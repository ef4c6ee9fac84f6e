"""The wire between a page and its server, which a test can watch, cut, and speak on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

from tests.servers.waiting import wait_until


class Wire:
    """Stands between a page and its server. What a page sends and gets passes, unless a test says otherwise."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sockets: list[WebSocketRoute] = []
        self.sent: list[dict[str, Any]] = []
        self.is_cut = False
        self.is_silent = False
        #: Whether answers are lost; those that were.
        self.is_deaf = False
        self.lost: list[dict[str, Any]] = []
        page.route_web_socket("**/ws/live/", self._opened)

    def close(self, code: int, reason: str = "") -> None:
        """Close the page's socket as the server would."""
        self.sockets[-1].close(code=code, reason=reason)

    def say(self, frame: dict[str, Any]) -> None:
        """Send the page a frame as the server would."""
        self.sockets[-1].send(json.dumps(frame))

    def frames(self, kind: str) -> list[dict[str, Any]]:
        """Return what the page has sent of a kind."""
        return [frame for frame in self.sent if frame["t"] == kind]

    def wait_for(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until something is true while the browser goes on."""
        self.wait(self.page, condition, what)

    @staticmethod
    def wait(page: Page, condition: Callable[[], Any], what: str) -> None:
        """Do so for a page whose wire is another one."""
        wait_until(lambda: page.evaluate("true") and condition(), what=what)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        if self.is_cut:
            socket.close(code=1013)
            return
        server = socket.connect_to_server()

        def to_server(message: str | bytes) -> None:
            self.sent.append(json.loads(message))
            if not self.is_silent:
                server.send(message)

        def to_page(message: str | bytes) -> None:
            if self.is_deaf:
                self.lost.append(json.loads(message))
            elif not self.is_silent:
                socket.send(message)

        socket.on_message(to_server)
        server.on_message(to_page)
