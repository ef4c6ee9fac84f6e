"""Answers that never arrive, or arrive twice: nothing that an event brought is lost, and nothing is told wrongly."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from django.contrib import messages
from django.http import HttpRequest
from django.urls import path

from djust import LiveView, event_handler
from djust.live_view import at_work
from djust.live_view.broadcast import PREFIX
from djust.live_view.carried import carried_messages
from djust.state_backend import set_backend
from djust.state_backend.records import Notice
from tests.integration.live_support import Browser, Store, until, use_site

TEMPLATES = {"shop.html": "<div dj-root>{{ count }}{% for message in messages %}[{{ message }}]{% endfor %}</div>"}


class Shop(LiveView):
    template_name = "shop.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0
        self.subscribe("news")

    @event_handler
    def add(self) -> None:
        self.count += 1

    @event_handler
    def order(self) -> None:
        begun.append(self)
        gates[len(begun) - 1].wait(20)
        messages.success(self.request, "Ordered.")
        self.push_event("ordered", {"number": 7})
        self.live_redirect("/thanks/")

    @event_handler
    def order_in_vain(self) -> None:
        self.order()
        raise RuntimeError("It was to be expected.")

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.count += message or 0


urlpatterns = [path("", Shop.as_view())]
#: For the first event at work and for the second: until when it is.
gates = [threading.Event(), threading.Event()]
begun: list[Shop] = []


@pytest.fixture(autouse=True)
def store(settings: Any) -> Any:
    use_site(settings, __name__, TEMPLATES)
    store = Store()
    set_backend(store)
    begun.clear()
    open_gates()
    yield store
    open_gates()
    set_backend(None)


def open_gates() -> None:
    for gate in gates:
        gate.set()


async def lost_while_it_orders() -> tuple[Browser, asyncio.Task[None]]:
    """Return a browser whose connection is lost while its handler runs, and the task of that."""
    browser = await Browser.joined()
    for gate in gates:
        gate.clear()
    await browser.send(t="event", n=1, name="order")
    await until(lambda: begun)
    task = await browser.socket.disconnected(1006)
    assert task is not None
    return browser, task


def check_outbox(answer: dict[str, Any]) -> None:
    nav = answer["nav"]
    assert (nav["kind"], nav["url"], answer["events"]) == ("redirect", "/thanks/", [["ordered", {"number": 7}]])
    assert [text for _, text, *_ in carried_messages(nav["messages"])] == ["Ordered."]


@pytest.mark.parametrize("acked", [0, 1, None])
async def test_what_an_event_brought_is_told_to_whoever_missed_it(acked: int | None) -> None:
    browser, task = await lost_while_it_orders()
    open_gates()
    await task
    await browser.connect(elsewhere=True)
    answer = await browser.join(**({} if acked is None else {"acked": acked}))
    assert (answer["t"], answer["n"]) == ("joined", 1)
    if acked == 0:
        check_outbox(answer)
    else:
        assert not {"nav", "events"} & answer.keys()
    await browser.lose()


async def test_it_is_not_told_to_another_client_of_the_page() -> None:
    browser, task = await lost_while_it_orders()
    open_gates()
    await task
    await browser.connect()
    await browser.send(t="join", token=browser.token, client="another-client-of-it", acked=0)
    answer = await browser.answer()
    assert (answer["n"], {"nav", "events"} & answer.keys()) == (0, set())
    await browser.lose()


async def test_what_is_told_once_is_not_told_after_the_next_event() -> None:
    browser = await Browser.joined()
    check_outbox(await browser.event(1, "order"))
    await browser.event(2, "add")
    await browser.lose()
    await browser.connect()
    answer = await browser.join(acked=2)
    assert (answer["n"], answer["html"], {"nav", "events"} & answer.keys()) == (2, "1", set())
    await browser.lose()


async def test_an_event_that_two_servers_handled_did_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one can tell nobody any more what it brought, so the other one does."""
    # As where a connection breaks unnoticed and the browser is back at once.
    monkeypatch.setattr(at_work, "PATIENCE_SECONDS", 0.0)
    browser, task = await lost_while_it_orders()
    await browser.connect(elsewhere=True)
    assert (await browser.join(acked=0))["n"] == 0
    await browser.send(t="event", n=1, name="order")
    await until(lambda: len(begun) == 2)
    gates[0].set()
    await task
    gates[1].set()
    answer = await browser.answer()
    assert (answer["t"], answer["n"], "conflict" in answer) == ("update", 1, False)
    check_outbox(answer)
    await browser.lose()


async def test_a_broadcast_that_changes_nothing_saves_nothing_and_is_not_counted_as_a_touch() -> None:
    browser = await Browser.joined()
    touch_at = browser.socket.touch_at = float("inf")
    browser.socket.hub._take(Notice(f"{PREFIX}news", b"null"))
    browser.socket.hub._take(Notice(f"{PREFIX}news", b"2"))
    assert (await browser.answer())["splices"] == [[0, 1, "2"]]
    await until(lambda: browser.socket._task is None)
    assert browser.socket.touch_at == touch_at
    assert (await browser.event(1, "order_in_vain"))["t"] == "error"
    assert browser.socket.touch_at < touch_at
    await browser.lose()


@pytest.mark.parametrize("topic", ["resubscribed", "ended_all", "left"])
async def test_a_page_is_touched_when_it_may_have_been_left_unnoticed(topic: str) -> None:
    browser = await Browser.joined()
    browser.socket.hub._take(Notice(topic, browser.key.encode()))
    assert browser.socket.touch_at == 0.0
    await browser.lose()


async def test_what_a_handler_that_failed_would_have_said_is_shown_nowhere() -> None:
    browser = await Browser.joined()
    answer = await browser.event(1, "order_in_vain")
    assert (answer["t"], answer["html"], {"nav", "events"} & answer.keys()) == ("error", "0", set())
    assert (await browser.event(2, "add"))["splices"] == [[0, 1, "1"]]
    await browser.lose()
    await browser.connect()
    answer = await browser.join(acked=0)
    assert (answer["html"], {"nav", "events"} & answer.keys()) == ("1", set())
    await browser.lose()
