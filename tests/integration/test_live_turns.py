"""Whose turn it is: nothing that a handler, a browser or a server does keeps a page waiting for ever."""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
from functools import cached_property
from typing import Any

import pytest
from django.http import HttpRequest
from django.urls import path

from djust import LiveView, event_handler
from djust.live_view import hub as hub_module
from djust.live_view.broadcast import PREFIX
from djust.live_view.errors import InvalidEvent
from djust.live_view.hub import ENDED
from djust.live_view.logins import LOGOUT
from djust.live_view.protocol import Close
from djust.state_backend import set_backend
from djust.state_backend.records import Notice
from djust.websocket import LiveViewConsumer
from tests.integration.live_support import CLIENT, Browser, Store, until, use_site

TEMPLATES = {"turns.html": "<div dj-root>{{ count }}{{ line }}</div>"}


class Turns(LiveView):
    template_name = "turns.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0
        self.fails = False
        self.endless = False
        self.subscribe("news")

    async def handle_params(self, params: dict[str, str], uri: str) -> None:
        await asyncio.sleep(0)
        if self.endless:
            self.live_patch({"page": int(params.get("page", 0)) + 1})

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        if self.fails:
            next(iter(()))
        context = {"line": self.line}
        if self.count == 74:
            # What is written while a page is rendered is told by a broadcast that may be left out.
            written.append(" late")
        return context

    @cached_property
    def line(self) -> str:
        return written[-1]

    @event_handler
    def add(self) -> None:
        self.count += 1

    @event_handler
    def patch_for_ever(self) -> None:
        self.endless = True
        self.live_patch({"page": 0})

    @event_handler
    def wait(self) -> None:
        begun.set()
        assert gate.wait(20)
        self.count += 10

    @event_handler
    def stop_iteration(self) -> None:
        self.count = next(number for number in (1, 2) if number > 2)

    @event_handler
    def stop_rendering(self) -> None:
        self.fails = True

    @event_handler
    async def cancelled(self) -> None:
        task = asyncio.get_running_loop().create_task(asyncio.sleep(3600))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task

    @event_handler
    def cancelled_in_its_thread(self) -> None:
        raise asyncio.CancelledError

    @event_handler
    def exit(self) -> None:
        argparse.ArgumentParser(exit_on_error=True).exit()

    @event_handler
    async def exit_in_the_loop(self) -> None:
        self.exit()

    @event_handler
    def invalid(self) -> None:
        self.count = 100
        self.push_event("ghost")
        raise InvalidEvent("It was to be expected.")

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.count += message or 0


urlpatterns = [path("", Turns.as_view())]
gate, begun = threading.Event(), threading.Event()
written = [""]


@pytest.fixture(autouse=True)
def store(settings: Any) -> Any:
    use_site(settings, __name__, TEMPLATES)
    store = Store()
    set_backend(store)
    gate.clear()
    begun.clear()
    written[:] = [""]
    yield store
    gate.set()
    set_backend(None)


def count_of(store: Store, key: str) -> int:
    session = store.get(key)
    assert session is not None
    count: int = session.state["count"]
    return count


# Whatever a handler does is answered, and the page goes on


@pytest.mark.parametrize(
    "name",
    [
        "patch_for_ever",
        "stop_iteration",
        "stop_rendering",
        "cancelled",
        "cancelled_in_its_thread",
        "exit",
        "exit_in_the_loop",
        "invalid",
    ],
)
async def test_a_handler_that_ends_badly_is_answered(name: str) -> None:
    browser = await Browser.joined()
    answer = await browser.event(1, name)
    assert (answer["t"], answer["n"], answer["html"]) == ("error", 1, "0")
    answer = await browser.event(2, "add")
    assert (answer["t"], answer["splices"], "events" in answer) == ("update", [[0, 1, "1"]], False)
    await browser.lose()


# The end of a connection


@pytest.mark.parametrize("code", [1001, 1005, 1006, None])
async def test_what_came_before_a_page_was_left_is_done(store: Store, code: int | None) -> None:
    browser = await Browser.joined()
    key = browser.key
    await browser.send(t="event", n=1, name="add")
    await browser.send(t="event", n=2, name="add")
    await browser.send(t="leave")
    await browser.lose(code)
    assert count_of(store, key) == 2
    assert store.touched[-1] == 60
    assert browser.socket.hub.sockets == set()


async def test_a_page_that_was_left_for_another_is_given_up_though_the_connection_is_lost(store: Store) -> None:
    browser, other = await Browser.joined(), await Browser.at()
    key = browser.key
    await browser.send(t="event", n=1, name="wait")
    await browser.send(t="event", n=2, name="add")
    await browser.send(t="leave")
    await browser.send(t="join", token=other.token, client="another-client-of-it")
    await until(begun.is_set)
    gate.set()
    await browser.lose(1006)
    assert count_of(store, key) == 11
    assert store.touched == [3600, 60]


async def test_a_page_that_was_left_is_given_up_whatever_its_last_event_was(store: Store) -> None:
    """One task does all of it, so that whoever comes back waits for the whole."""
    browser = await Browser.joined()
    key = browser.key
    await browser.send(t="event", n=1, name="wait")
    await browser.send(t="event", n=2, name="no_handler")
    await browser.send(t="event", n=3, name="add")
    await until(begun.is_set)
    task = await browser.socket.disconnected(1001)
    assert task is not None
    assert browser.socket.hub._finishing == {key: {task}}
    gate.set()
    await task
    assert browser.socket._task is None
    assert count_of(store, key) == 11
    assert store.touched == [3600, 60]


async def test_what_waits_when_a_connection_is_lost_is_left_to_the_reconnect(store: Store) -> None:
    browser = await Browser.joined()
    await browser.send(t="event", n=1, name="wait")
    await browser.send(t="event", n=2, name="add")
    await until(begun.is_set)
    task = await browser.socket.disconnected(1006)
    assert task is not None
    await browser.connect()
    joining = asyncio.get_running_loop().create_task(browser.join())
    gate.set()
    answer = await joining
    assert (answer["n"], answer["html"]) == (1, "10")
    assert (await browser.event(2, "add"))["splices"] == [[1, 1, "1"]]
    assert store.touched == [3600, 3600]
    await browser.lose()


async def test_a_server_waits_for_the_handler_that_is_at_work(store: Store) -> None:
    browser = await Browser.at()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    frames = [
        {"t": "join", "token": browser.token, "client": CLIENT},
        {"t": "event", "n": 1, "name": "wait"},
        {"t": "event", "n": 2, "name": "add"},
    ]
    await heard.put({"type": "websocket.connect"})
    for frame in frames:
        await heard.put({"type": "websocket.receive", "text": json.dumps(frame)})
    serving = asyncio.get_running_loop().create_task(LiveViewConsumer()(browser.scope, heard.get, browser.sent.put))
    await until(begun.is_set)
    [key] = [info.key for info in store.iter_sessions()]
    await heard.put({"type": "websocket.disconnect", "code": 1012})
    await until(heard.empty)
    await asyncio.sleep(0)
    assert not serving.done()
    gate.set()
    async with asyncio.timeout(20):
        await serving
    assert count_of(store, key) == 10


@pytest.mark.parametrize(("topic", "code"), [(ENDED, Close.GONE), (LOGOUT, Close.LOGGED_OUT)])
async def test_a_browser_that_reads_nothing_is_closed_at_once(store: Store, topic: str, code: Close) -> None:
    """Its close does not wait behind what cannot be sent, and what waits is not done any more."""
    browser = await Browser.joined()
    socket, key = browser.socket, browser.key
    socket.login = "login"
    unread, closed = asyncio.Event(), []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            await unread.wait()
        closed.append(message.get("code"))

    socket._send = send
    for number in (1, 2, 3):
        await browser.send(t="event", n=number, name="add")
    await until(lambda: count_of(store, key) == 1)
    socket.hub._take(Notice(topic, (key if topic == ENDED else "login").encode()))
    await until(lambda: closed)
    assert closed == [code]
    unread.set()
    await socket.finished()
    await browser.lose()
    assert count_of(store, key) == 1


async def test_a_socket_that_is_closed_hears_no_broadcast(store: Store) -> None:
    browser = await Browser.joined()
    key, hub = browser.key, browser.socket.hub
    await browser.socket.close(Close.SILENT, "silent")
    for topic, message in ((f"{PREFIX}news", b"5"), ("resubscribed", b"")):
        hub._take(Notice(topic, message))
    await browser.socket.finished()
    assert count_of(store, key) == 0
    await browser.lose()


async def test_a_reconnect_replaces_a_socket_whose_close_its_browser_never_confirmed() -> None:
    browser = await Browser.joined()
    old = browser.socket
    await old.close(Close.SILENT, "silent")
    await browser.connect()
    assert (await browser.join())["t"] == "joined"
    assert old not in old.hub.sockets
    await browser.lose()
    await old.disconnected(1006)


async def test_what_comes_for_a_page_that_is_stale_is_not_held_against_the_browser(store: Store) -> None:
    browser = await Browser.joined()
    session = store.get(browser.key)
    assert session is not None
    store.set(browser.key, {**session.state, "_live": {**session.state["_live"], "shape": "2-other"}})
    for number in (1, 2):
        await browser.send(t="event", n=number, name="add")
    assert (await browser.answer())["t"] == "stale"
    await browser.send(t="ping")
    await until(lambda: browser.socket._task is None)
    assert (await browser.answer())["t"] == "pong"
    assert not browser.socket.closed
    await browser.lose()


async def test_broadcasts_that_are_too_many_are_caught_up_with() -> None:
    browser = await Browser.joined()
    await browser.send(t="event", n=1, name="wait")
    await until(begun.is_set)
    for number in range(200):
        written.append(f" line {number}")
        browser.socket.hub._take(Notice(f"{PREFIX}news", b"1"))
    gate.set()
    answers = [await browser.answer()]
    while "html" not in answers[-1]:
        answers.append(await browser.answer())
    assert answers[-1]["html"] == "74 late"
    await until(lambda: browser.socket._task is None)
    browser.socket.hub._take(Notice(f"{PREFIX}news", b"1"))
    assert (await browser.answer())["splices"][0] == [1, 1, "5"]
    await browser.lose()


async def test_a_browser_cannot_fill_the_memory_while_its_handler_is_slow() -> None:
    browser = await Browser.joined()
    await browser.send(t="event", n=1, name="wait")
    await until(begun.is_set)
    for number in range(2, 7):
        await browser.send(t="event", n=number, name="add", params={"text": "x" * 120_000})
    assert (await browser.answer())["code"] == Close.TOO_MANY
    assert not browser.socket._jobs
    gate.set()
    await browser.lose()


# What concerns all pages


async def test_a_database_that_hangs_keeps_no_page_from_being_touched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = threading.Event()

    def hang(session: Any, user: Any) -> Any:
        looking.set()
        gate.wait(20)
        return user

    monkeypatch.setattr(hub_module, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(hub_module, "LOGIN_SECONDS", 0.01)
    monkeypatch.setattr(hub_module, "still_logged_in", hang)
    browser = await Browser.joined()
    browser.socket.login = "login"
    await until(looking.is_set)
    store.touched.clear()
    browser.socket.touch_at = 0.0
    await until(lambda: store.touched)
    gate.set()
    await browser.lose()


async def test_a_touch_that_goes_wrong_is_not_the_last_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TICK_SECONDS", 0.01)
    browser = await Browser.joined()
    touch, wrong = store.atouch, []

    async def atouch(key: str, ttl: float | None = None) -> bool:
        if not wrong:
            wrong.append(key)
            raise ValueError("It was to be expected.")
        return await touch(key, ttl)

    monkeypatch.setattr(store, "atouch", atouch)
    store.touched.clear()
    browser.socket.touch_at = 0.0
    await until(lambda: wrong)
    browser.socket.touch_at = 0.0
    await until(lambda: store.touched)
    await browser.lose()
