"""A site of the views of one test module, a store that notes what it is asked, and browsers served within the test."""

from __future__ import annotations

import asyncio
import html
import json
import re
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.test import AsyncClient

from djust.live_view.hub import Hub
from djust.live_view.socket import LiveSocket
from djust.state_backend import InMemoryStateBackend

HEAD = "{% load live_tags %}<head>{% djust_client_config %}</head>"
CLIENT = "c" * 16
SCOPE = {
    "type": "websocket",
    "scheme": "ws",
    "path": "/ws/live/",
    "query_string": b"",
    "headers": [(b"host", b"testserver"), (b"origin", b"http://testserver")],
}


def use_site(settings: Any, module: str, templates: dict[str, str]) -> None:
    """Serve the ``urlpatterns`` of a module, with templates whose names and bodies are given."""
    [engine] = settings.TEMPLATES
    loaders = [("django.template.loaders.locmem.Loader", {name: HEAD + body for name, body in templates.items()})]
    options = {**engine["OPTIONS"], "loaders": loaders}
    settings.TEMPLATES = [{"BACKEND": engine["BACKEND"], "OPTIONS": options}]
    settings.ROOT_URLCONF = module


def config_of(page: str) -> dict[str, Any]:
    """Return what a page tells its client."""
    found = re.search(r'data-djust="([^"]*)"', page)
    assert found is not None, page
    config: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return config


class Store(InMemoryStateBackend):
    """Notes how long sessions were to live when they were touched."""

    def __init__(self, default_ttl: float = 3600) -> None:
        super().__init__(default_ttl)
        self.touched: list[float | None] = []

    async def atouch(self, key: str, ttl: float | None = None) -> bool:
        self.touched.append(ttl)
        return await super().atouch(key, ttl)


class Browser:
    """A page and its sockets, one after the other."""

    def __init__(self, page: str, cookies: dict[str, str], **scope: Any) -> None:
        self.page = page
        self.token = config_of(page)["token"]
        self.scope = {**SCOPE, "user": AnonymousUser(), "cookies": cookies, **scope}
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.socket: LiveSocket

    @classmethod
    async def at(cls, path: str = "/", client: AsyncClient | None = None, **scope: Any) -> Browser:
        """Ask for a page."""
        client = client or AsyncClient()
        response = await client.get(path)
        assert response.status_code == 200, response
        cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        return cls(response.content.decode(), cookies, **scope)

    @classmethod
    async def joined(cls, path: str = "/", client: AsyncClient | None = None, **scope: Any) -> Browser:
        """Ask for a page and let it join."""
        browser = await cls.at(path, client, **scope)
        await browser.connect()
        answer = await browser.join()
        assert answer["t"] == "joined", answer
        return browser

    @property
    def key(self) -> str:
        """The key of the session that the page shows."""
        assert self.socket.key is not None
        return self.socket.key

    async def connect(self, *, elsewhere: bool = False) -> None:
        """Open a socket, to a server of its own if it is to be ``elsewhere``."""
        self.sent = asyncio.Queue()
        self.socket = LiveSocket(self.scope, self.sent.put)
        if elsewhere:
            self.socket.hub = Hub()
        await self.socket.open()
        assert (await self.answer())["t"] == "websocket.accept"

    async def join(self, **more: Any) -> dict[str, Any]:
        """Join the page."""
        await self.send(**{"t": "join", "token": self.token, "client": CLIENT, **more})
        return await self.answer()

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
        await self.socket.receive(json.dumps(frame))

    async def event(self, number: int, name: str, *args: Any) -> dict[str, Any]:
        """Send an event and return its answer."""
        await self.send(t="event", n=number, name=name, args=list(args))
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """Return the next frame; the end of the socket has its code."""
        async with asyncio.timeout(20):
            message = await self.sent.get()
        if message["type"] != "websocket.send":
            return {"t": message["type"], **message}
        frame: dict[str, Any] = json.loads(message["text"])
        return frame

    async def lose(self, code: int | None = 1006) -> None:
        """Lose the connection, and wait for what is still at work."""
        await self.socket.disconnected(code)
        async with asyncio.timeout(20):
            await self.socket.finished()


async def until(condition: Any) -> None:
    """Wait until something is true, while everything else goes on."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)
