"""A socket whose page is changed behind its back, or whose author made a mistake."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import AsyncClient, override_settings
from django.urls import path
from django.utils.asyncio import async_unsafe

from djust import LiveView, event_handler
from djust.live_view.protocol import Close
from djust.live_view.socket import LiveSocket
from djust.state_backend import get_backend

PAGE = "{% load live_tags %}<head>{% djust_client_config %}</head><body dj-root>{{ count }}{{ broken.0 }}</body>"


@async_unsafe
def ask_database() -> None:
    """Do what must not be done in an event loop."""


class Counter(LiveView):
    template_name = "counter.html"

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        ask_database()

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0

    @event_handler
    def add(self, by: int = 1) -> None:
        self.count += by

    @event_handler
    def change_elsewhere(self) -> None:
        """Let another server save the page while this event is at work, as told by ``_meanwhile``."""
        assert Counter.meanwhile is not None
        Counter.meanwhile()

    @event_handler
    def keep(self) -> None:
        self.rows = object()

    @event_handler
    def push(self) -> None:
        self.push_event("bad", object())

    @event_handler
    def go_away(self) -> None:
        self.live_redirect("https://evil.example/")

    meanwhile: Callable[[], Any] | None = None


urlpatterns = [path("", Counter.as_view())]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"counter.html": PAGE})]},
    }
]


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    with override_settings(
        ROOT_URLCONF=__name__, TEMPLATES=TEMPLATES, MIDDLEWARE=[], DJUST_CONFIG={"STATE_BACKEND": "memory"}, DEBUG=True
    ):
        yield


class Browser:
    """A page with its socket."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self) -> None:
        client = AsyncClient()
        response = await client.get("/")
        found = re.search(r'data-djust="([^"]*)"', response.content.decode())
        assert found is not None
        token = json.loads(html.unescape(found.group(1)))["token"]
        cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        headers = [(b"host", b"testserver"), (b"origin", b"http://testserver")]
        scope = {"type": "websocket", "scheme": "ws", "path": "/ws/live/", "headers": headers, "cookies": cookies}
        self.socket = LiveSocket({**scope, "query_string": b""}, self.sent.put)
        await self.socket.open()
        assert (await self.sent.get())["type"] == "websocket.accept"
        await self.socket.receive(json.dumps({"t": "join", "token": token, "client": "c" * 16, "uri": "/"}))
        assert (await self.answer())["t"] == "joined"
        assert self.socket.key is not None
        self.key = self.socket.key

    async def answer(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            message = await self.sent.get()
        if message["type"] == "websocket.close":
            return {"t": "closed", "code": message["code"], "reason": message["reason"]}
        found: dict[str, Any] = json.loads(message["text"])
        return found

    async def event(self, number: int, name: str) -> dict[str, Any]:
        await self.socket.receive(json.dumps({"t": "event", "n": number, "name": name}))
        return await self.answer()


@pytest.fixture
async def browser(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Browser()
    await made.open()
    yield made
    await made.socket.disconnected(1006)


def save_elsewhere(key: str, **runtime: Any) -> Callable[[], Any]:
    """Return what saves the page as another server or another release would."""

    def save() -> None:
        session = get_backend().get(key)
        assert session is not None
        get_backend().set(key, {**session.state, "count": 7, "_live": {**session.state["_live"], **runtime}})

    return save


async def test_a_page_that_another_server_saved_is_shown_as_it_is(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counter, "meanwhile", staticmethod(save_elsewhere(browser.key)))
    answer = await browser.event(1, "change_elsewhere")
    assert (answer["conflict"], answer["html"], answer["n"]) == (True, "7", 1)


async def test_a_page_that_another_release_saved_is_stale(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Counter, "meanwhile", staticmethod(save_elsewhere(browser.key, shape="2-other")))
    assert await browser.event(1, "change_elsewhere") == {"t": "stale", "client": "c" * 16}
    assert "live_socket_failed" not in caplog.text


async def test_a_page_that_was_ended_meanwhile_is_gone(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counter, "meanwhile", staticmethod(lambda: get_backend().delete(browser.key)))
    answer = await browser.event(1, "change_elsewhere")
    assert (answer["t"], answer["code"]) == ("closed", Close.GONE)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keep", ("Counter.rows", "object cannot be stored", "get_context_data()")),
        ("push", ("push_event carries what JSON can say",)),
        ("go_away", ("stay on this site", "starts with one slash")),
    ],
)
async def test_a_mistake_of_the_author_is_told_and_the_page_goes_on(
    browser: Browser, caplog: pytest.LogCaptureFixture, name: str, words: tuple[str, ...]
) -> None:
    with caplog.at_level(logging.ERROR, "djust.state_backend"):
        answer = await browser.event(1, name)
    assert (answer["t"], answer["n"]) == ("error", 1)
    for word in words:
        assert word in answer["message"]
    assert caplog.records
    after = await browser.event(2, "add")
    assert (after["t"], after["n"]) == ("update", 2)


async def test_frames_after_the_end_are_heard_no_more(browser: Browser) -> None:
    answer = await browser.event(1, "mount")
    assert answer["code"] == Close.NO_HANDLER
    for text in ('{"t":"ping"}', '{"t":"event","n":1,"name":"add"}', "x", None):
        await browser.socket.receive(text)
    assert browser.sent.empty()
    session = get_backend().get(browser.key)
    assert session is not None
    assert session.state["count"] == 0


async def test_a_browser_that_is_gone_before_its_answer_is_no_failure(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that follows ASGI raises OSError for what is sent before it has told that the browser is gone."""

    async def gone(message: dict[str, Any]) -> None:
        raise OSError

    browser.socket._send = gone
    for text in ('{"t":"event","n":1,"name":"add"}', '{"t":"ping"}', "x"):
        await browser.socket.receive(text)
    async with asyncio.timeout(20):
        while (session := get_backend().get(browser.key)) is None or session.state["count"] == 0:
            await asyncio.sleep(0.005)
        await browser.socket.finished()
    assert "live_socket_failed" not in caplog.text
