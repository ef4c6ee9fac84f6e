"""A page of a fleet in a browser: what it shows, who serves it, and which complaints of the browser are its own."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.acceptance.chromium import complaints
from tests.acceptance.live_fleet import Fleet, terminate
from tests.servers.uvicorn_server import UvicornServer

ENDINGS = ["SIGTERM", "SIGKILL"]

#: What Chromium itself says of a WebSocket that cannot be opened because no server listens or the network is gone. A
#: page cannot keep it from saying so.
WHILE_AWAY = re.compile(
    r"WebSocket connection to 'ws://127\.0\.0\.1:\d+/ws/live/' failed: "
    r"(Error during WebSocket handshake: Unexpected response code: 50[24]"
    r"|Error in connection establishment: net::ERR_(INTERNET_DISCONNECTED|CONNECTION_REFUSED)"
    r"|net::ERR_INTERNET_DISCONNECTED)"
)


class Window:
    """A page that was opened, and must not be loaded again unless that is expected."""

    def __init__(self, page: Page, path: str = "/") -> None:
        self.page = page
        self.bad = complaints(page)
        page.goto(path)
        self.expect_connected()
        self.mark()

    def mark(self) -> None:
        """Mark this document: another one will not have the mark."""
        self.page.evaluate("window.marked = true")

    def expect_connected(self) -> None:
        """Wait until the page is live."""
        expect(self.page.locator("body.dj-connected")).to_have_count(1)
        expect(self.page.locator("body.dj-disconnected")).to_have_count(0)

    def expect_disconnected(self) -> None:
        """Wait until the page shows that it is not."""
        expect(self.page.locator("body.dj-disconnected")).to_have_count(1)
        expect(self.page.locator(".dj-banner")).to_contain_text("Reconnecting")

    def expect_count(self, count: int) -> None:
        """Wait until the page shows a number."""
        expect(self.page.locator("#count")).to_have_text(str(count))

    def click(self, name: str) -> None:
        """Click a button or a link."""
        self.page.locator("button, a").filter(has_text=re.compile(f"^{re.escape(name)}$")).click()

    @property
    def pid(self) -> int:
        """The process that served what is shown."""
        return int(self.page.locator("#pid").inner_text())

    @property
    def path(self) -> str:
        """Path and query of the address."""
        return str(self.page.evaluate("location.pathname + location.search"))

    def check(self, *, away: bool = False) -> None:
        """See that this is still the same document, and that nothing went wrong in it.

        Args:
            away: Servers or the network were away: the browser may say so.
        """
        assert self.page.evaluate("window.marked") is True, "The page was loaded again."
        assert [text for text in self.bad if not (away and WHILE_AWAY.fullmatch(text))] == []


def end_serving(fleet: Fleet, window: Window, ending: str) -> UvicornServer:
    """End the server that the page is connected with, and return it."""
    server = fleet.serving(window.pid)
    if ending == "SIGKILL":
        server.kill()
    else:
        terminate(server)
    return server
