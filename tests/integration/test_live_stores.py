"""A page and its twin on another server, on each kind of store."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial
from typing import Any

import pytest
from django.http import HttpRequest
from django.urls import path

from djust import LiveView, event_handler
from djust.live_view import abroadcast
from djust.live_view.protocol import Close
from djust.state_backend import InMemoryStateBackend, RedisStateBackend, StateBackend, set_backend
from tests.integration.live_support import Browser, until, use_site

STORES = ["memory", "redis6", "redis7", "valkey", "redis_cluster"]


class Shelf(LiveView):
    template_name = "shelf.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.books: list[str] = []

    @event_handler
    def add(self, title: str) -> None:
        self.books.append(title)


class Radio(LiveView):
    template_name = "radio.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.news = ""
        self.subscribe("news")

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.news = message


urlpatterns = [path("", Shelf.as_view()), path("radio/", Radio.as_view())]
TEMPLATES = {
    "shelf.html": "<div dj-root>{{ books }}</div>",
    "radio.html": "<div dj-root>{{ news }}</div>",
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, settings: Any, key_prefix: str) -> Any:
    """The store of a site."""
    use_site(settings, __name__, TEMPLATES)
    backend: StateBackend
    if request.param == "memory":
        backend = InMemoryStateBackend()
    else:
        backend = RedisStateBackend(request.getfixturevalue(request.param).url, key_prefix=key_prefix)
    set_backend(backend)
    yield backend
    set_backend(None)
    backend.close()


async def end_of(browser: Browser) -> int:
    """Return the code that a socket is closed with, whatever it is told before."""
    while (answer := await browser.answer())["t"] != "websocket.close":
        pass
    await browser.lose(answer["code"])
    return int(answer["code"])


def shows(browser: Browser, text: str) -> bool:
    """Whether a page shows a text."""
    page = browser.socket.page
    return page is not None and text in page.html


async def is_listening(browser: Browser) -> None:
    """Wait until a page hears what is broadcast."""
    while browser.sent.empty():
        await abroadcast("news", secrets.token_hex(4))
        await asyncio.sleep(0.02)


async def test_a_page_lives_on_every_server(store: StateBackend) -> None:
    # A server that begins to listen looks at the pages that it shows. From now on it listens.
    radio = await Browser.joined("/radio/")
    await is_listening(radio)
    here = await Browser.joined()
    await here.event(1, "add", "Emma")
    there = Browser(here.page, here.scope["cookies"])
    await there.connect(elsewhere=True)
    joined = await there.join(client="t" * 16)
    assert "Emma" in joined["html"]
    # Each saves over the version that it knows.
    answer = await there.event(1, "add", "Persuasion")
    assert "conflict" not in answer
    answer = await here.event(2, "add", "Sanditon")
    assert answer["conflict"] is True
    assert "Persuasion" in answer["html"]
    assert "Sanditon" not in answer["html"]
    key = here.key
    assert await store.adelete(key)
    for browser in (here, there):
        assert await end_of(browser) == Close.GONE
    assert await store.aget(key) is None
    await radio.lose()


async def test_a_broadcast_is_heard_on_every_server(store: StateBackend) -> None:
    browsers = [await Browser.joined("/radio/") for _ in range(3)]
    elsewhere = await Browser.at("/radio/")
    await elsewhere.connect(elsewhere=True)
    await elsewhere.join()
    browsers.append(elsewhere)
    for browser in browsers:
        await is_listening(browser)
    await abroadcast("news", "Emma")
    for browser in browsers:
        await until(partial(shows, browser, "Emma"))
        await browser.lose()
