"""What is at work on one server keeps a reconnect to another waiting, for as long as it should and no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import HttpRequest
from django.urls import path

from djust import LiveView, event_handler
from djust.exceptions import BackendUnavailable
from djust.live_view import at_work
from djust.live_view import socket as socket_module
from djust.state_backend import InMemoryStateBackend, set_backend
from tests.integration.live_support import CLIENT, Browser, until, use_site


class Slow(LiveView):
    template_name = "slow.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0

    @event_handler
    async def add(self) -> None:
        self.count += 1
        began.set()
        await gate.wait()

    @event_handler
    def add_at_once(self) -> None:
        self.count += 1


class Store(InMemoryStateBackend):
    """Can be away for leases."""

    is_away = False
    asked = 0

    async def aacquire_lease(self, name: str, token: str, seconds: float) -> bool:
        self.asked += 1
        if self.is_away:
            raise BackendUnavailable("away")
        return await super().aacquire_lease(name, token, seconds)


urlpatterns = [path("", Slow.as_view())]
gate, began = asyncio.Event(), asyncio.Event()


@pytest.fixture
def store(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    global gate, began
    use_site(settings, __name__, {"slow.html": "<div dj-root>{{ count }}</div>"})
    gate, began = asyncio.Event(), asyncio.Event()
    made = Store()
    set_backend(made)
    yield made
    set_backend(None)


async def at_work_on_an_event() -> Browser:
    """Return a page whose event is at work."""
    browser = await Browser.joined()
    await browser.send(t="event", n=1, name="add")
    await began.wait()
    return browser


async def holder(store: Store, browser: Browser) -> str | None:
    return await store.alease_holder(f"page:{browser.socket.key}:{CLIENT}")


async def elsewhere(browser: Browser) -> Browser:
    """Let a page come back by another server."""
    again = Browser(browser.page, browser.scope["cookies"])
    await again.connect(elsewhere=True)
    await again.send(t="join", token=again.token, client=CLIENT)
    return again


async def test_a_browser_that_waits_is_told_that_somebody_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "_SIGN_OF_LIFE_SECONDS", 0.01)
    browser = await at_work_on_an_event()
    await browser.socket.disconnected(1006)
    again = await elsewhere(browser)
    assert (await again.answer())["t"] == "pong"
    gate.set()
    while (answer := await again.answer())["t"] == "pong":
        pass
    assert (answer["t"], answer["n"], answer["html"]) == ("joined", 1, "1")
    assert await holder(store, again) is None
    await again.lose()


async def test_who_waits_for_too_long_is_let_in(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_work, "PATIENCE_SECONDS", 0.05)
    browser = await at_work_on_an_event()
    await browser.socket.disconnected(1006)
    again = await elsewhere(browser)
    answer = await again.answer()
    assert (answer["t"], answer["n"], answer["html"]) == ("joined", 0, "0")
    gate.set()
    await browser.socket.finished()
    await again.lose()


async def test_who_is_gone_waits_no_longer(store: Store) -> None:
    browser = await at_work_on_an_event()
    await browser.socket.disconnected(1006)
    again = await elsewhere(browser)
    await until(lambda: again.socket.key is not None)
    # The event is still at work, and its server may end: neither holds up the other one.
    await again.lose()
    assert not gate.is_set()
    gate.set()
    await browser.socket.finished()


async def test_a_server_does_not_wait_for_the_lease_of_what_never_ends(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("djust.live_view.connection._FINISH_SECONDS", 0.01)
    browser = await at_work_on_an_event()
    await browser.lose()
    assert not gate.is_set()
    gate.set()
    await until(lambda: not at_work._tasks)


async def test_while_the_store_is_away_a_lease_is_asked_for_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_work, "_AGAIN_SECONDS", 0.01)
    store.is_away = True
    browser = await at_work_on_an_event()
    browser.socket.at_work.tell()
    await until(lambda: store.asked > 2)
    store.is_away = False
    while await holder(store, browser) is None:
        await asyncio.sleep(0)
    gate.set()
    assert (await browser.answer())["n"] == 1
    await browser.lose()
    assert not at_work._tasks
    assert store._leases == {}


async def test_an_answer_that_cannot_be_sent_yet_keeps_no_lease(store: Store) -> None:
    browser = await at_work_on_an_event()
    browser.socket.at_work.tell()
    while await holder(store, browser) is None:
        await asyncio.sleep(0)
    line = asyncio.Event()
    is_sending = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        is_sending.set()
        await line.wait()

    browser.socket._send = send
    gate.set()
    await is_sending.wait()
    while await holder(store, browser) is not None:
        await asyncio.sleep(0)
    line.set()
    await browser.lose()


async def test_what_is_done_at_once_has_no_lease(store: Store) -> None:
    browser = await Browser.joined()
    for number in range(1, 4):
        await browser.event(number, "add_at_once")
    await browser.lose()
    assert store.asked == 0
