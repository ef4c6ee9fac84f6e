"""What happens to a socket at the worst moment: while it joins, and while the store cannot say what it holds."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import AsyncClient
from django.urls import path

from djust import LiveView, event_handler
from djust.exceptions import BackendUnavailable
from djust.live_view.hub import LEFT
from djust.live_view.socket import LiveSocket
from djust.state_backend import InMemoryStateBackend, set_backend
from djust.state_backend.records import Notice, Session
from tests.servers.waiting import wait_until

PAGE = "{% load live_tags %}<head>{% djust_client_config %}</head><div dj-root>{{ count }}</div>"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"counter.html": PAGE})]},
    }
]


class Counter(LiveView):
    template_name = "counter.html"

    def mount(self, request: Any, **kwargs: Any) -> None:
        self.count = 0

    @event_handler
    def increment(self) -> None:
        self.count += 1


urlpatterns = [path("", Counter.as_view())]


class Store(InMemoryStateBackend):
    """Can be away, and can make those who read wait."""

    def __init__(self, default_ttl: float = 3600) -> None:
        super().__init__(default_ttl)
        self.failures = 0
        self.touched: list[float | None] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def aget(self, key: str) -> Session | None:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise BackendUnavailable("It is loading.")
        return await super().aget(key)

    async def atouch(self, key: str, ttl: float | None = None) -> bool:
        self.touched.append(ttl)
        return await super().atouch(key, ttl)


class Page:
    """A page of a browser and its socket."""

    def __init__(self, token: str, cookies: dict[str, str]) -> None:
        self.frames: list[dict[str, Any]] = []
        self._token = token
        self.socket = LiveSocket(
            {
                "type": "websocket",
                "scheme": "ws",
                "headers": [(b"host", b"testserver"), (b"origin", b"http://testserver")],
                "cookies": cookies,
                "user": AnonymousUser(),
            },
            self._take,
        )

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            self.frames.append(json.loads(message["text"]))
        elif message["type"] == "websocket.close":
            self.frames.append(message)

    async def send(self, **frame: Any) -> None:
        await self.socket.receive(json.dumps(frame))

    async def join(self) -> None:
        await self.send(t="join", token=self._token, client="a" * 16, uri="/")

    async def heard(self, count: int = 1) -> dict[str, Any]:
        """Wait for so many frames since the last time, and return the last of them."""
        async with asyncio.timeout(30):
            while len(self.frames) < count:
                await asyncio.sleep(0)
        last = self.frames[count - 1]
        self.frames.clear()
        return last


@pytest.fixture
def store(settings: Any) -> Iterator[Store]:
    settings.ROOT_URLCONF, settings.TEMPLATES = __name__, TEMPLATES
    store = Store()
    set_backend(store)
    yield store
    set_backend(None)


async def fetched() -> Page:
    response = await AsyncClient().get("/")
    found = re.search(r'data-djust="([^"]*)"', response.content.decode())
    assert found
    page = Page(json.loads(html.unescape(found[1]))["token"], {n: m.value for n, m in response.cookies.items()})
    await page.socket.open()
    return page


async def test_a_page_is_compared_with_a_store_that_is_still_loading(store):
    page = await fetched()
    await page.join()
    await page.heard()
    [info] = store.iter_sessions()
    before = store.get(info.key)
    assert before is not None
    store.set(info.key, {**before.state, "count": 7})
    store.failures = 2
    page.socket.hub._take(Notice("resubscribed", b""))
    frame = await page.heard()
    assert (frame["t"], frame["html"]) == ("update", "7")
    await page.socket.disconnected(1006)


async def test_a_page_that_was_left_while_it_joined_ends_soon(store):
    page = await fetched()
    store.gate.clear()
    await page.join()
    await asyncio.sleep(0)
    await page.socket.disconnected(1001)
    store.gate.set()
    await page.socket.finished()
    assert store.touched == [60]
    assert (page.frames, page.socket.hub._by_key, page.socket.hub.sockets) == ([], {}, set())


async def test_a_socket_that_is_closed_between_two_pages_shows_neither(store):
    page, second = await fetched(), await fetched()
    await page.join()
    await page.heard()
    release = asyncio.Event()
    touch = store.atouch

    async def slow(key: str, ttl: float | None = None) -> bool:
        await release.wait()
        return await touch(key, ttl)

    store.atouch = slow  # type: ignore[method-assign]
    await page.send(t="join", token=second._token, client="b" * 16, uri="/")
    await asyncio.sleep(0)
    closed = asyncio.create_task(page.socket.disconnected(1006))
    await asyncio.sleep(0)
    release.set()
    await closed
    await page.socket.finished()
    assert page.socket.hub._by_key == {}
    await second.socket.disconnected(1006)


async def test_what_never_expires_is_touched_once_when_somebody_else_leaves(store):
    store.default_ttl = 0
    page = await fetched()
    await page.join()
    await page.heard()
    [key] = page.socket.hub._by_key
    store.touched.clear()
    page.socket.hub._take(Notice(LEFT, key.encode()))
    await asyncio.to_thread(wait_until, lambda: store.touched)
    assert (store.touched, page.socket.touch_at) == ([0], float("inf"))
    await page.socket.disconnected(1006)


async def test_an_event_that_could_not_be_saved_in_time_is_done_again_and_counts_once(store, monkeypatch):
    monkeypatch.setattr("djust.live_view.saving.PATIENCE_SECONDS", 0.2)
    page = await fetched()
    await page.join()
    await page.heard()
    saves = store.aset

    async def away(*args: Any, **options: Any) -> Session:
        raise BackendUnavailable("It is away.")

    monkeypatch.setattr(store, "aset", away)
    await page.send(t="event", n=1, name="increment")
    closed = await page.heard()
    assert closed["code"] == 1013
    await page.socket.disconnected(1006)
    monkeypatch.setattr(store, "aset", saves)
    again = Page(page._token, page.socket.scope["cookies"])
    await again.socket.open()
    await again.join()
    joined = await again.heard()
    assert (joined["n"], joined["html"]) == (0, "0")
    await again.send(t="event", n=1, name="increment")
    frame = await again.heard()
    assert (frame["n"], frame["splices"]) == (1, [[0, 1, "1"]])
    await again.socket.disconnected(1006)
