"""Whose answers a page takes, what it does with those that were lost, and when it shows them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.live_site.serving import connected, serve
from tests.live_site.wire import Wire

LISTEN = """
window.heard = [];
document.addEventListener("djust:push_event", ({detail}) => heard.push(detail));
document.addEventListener("djust:error", ({detail}) => heard.push(detail));
"""


@pytest.fixture
def page(chromium: Chromium, url: str) -> Iterator[Page]:
    opened = chromium.page(url)
    opened.add_init_script(LISTEN)
    bad = complaints(opened)
    yield opened
    assert bad == []
    opened.context.close()


@pytest.fixture
def wire(page: Page) -> Wire:
    made = Wire(page)
    visit(page, "/")
    return made


def visit(page: Page, path: str) -> None:
    page.goto(path)
    connected(page)
    page.evaluate("window.isFirstDocument = true")


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def inner_html(page: Page) -> str:
    return page.locator("[dj-root]").inner_html()


def lose_the_answer(wire: Wire, name: str) -> None:
    """Click a button whose answer never comes, and lose the connection."""
    wire.is_deaf = True
    lost = len(wire.lost)
    click(wire.page, name)
    wire.wait_for(lambda: len(wire.lost) > lost, "the answer")
    wire.is_deaf = False
    wire.close(1012)


def test_the_redirect_of_an_answer_that_was_lost(page: Page, wire: Wire) -> None:
    lose_the_answer(wire, "Go to item 7")
    expect(page.locator("h1")).to_have_text("Item 7")
    expect(page).to_have_url(re.compile("/items/7/$"))
    connected(page)
    assert page.evaluate("isFirstDocument")
    assert [frame["acked"] for frame in wire.frames("join")] == [0, 0, 0]


def test_the_address_of_an_answer_that_was_lost(page: Page, wire: Wire) -> None:
    visit(page, "/search/")
    entries = page.evaluate("history.length")
    lose_the_answer(wire, "Replace")
    expect(page.locator("#state")).to_have_text("replaced/1")
    expect(page).to_have_url(re.compile(r"\?q=replaced$"))
    expect(page).to_have_title("Search, page 1")
    assert page.evaluate("history.length") == entries


def test_what_was_pushed_with_an_answer_that_was_lost_comes_once(page: Page, wire: Wire) -> None:
    visit(page, "/directives/")
    click(page, "Announce")
    wire.wait_for(lambda: page.evaluate("heard.length") == 1, "the event")
    lose_the_answer(wire, "Announce")
    wire.wait_for(lambda: page.evaluate("heard.length") == 2, "the event that was lost")
    wire.close(1012)
    wire.wait_for(lambda: len(wire.frames("join")) == 4, "the page to be back again")
    connected(page)
    assert page.evaluate("heard.length") == 2
    assert [frame["acked"] for frame in wire.frames("join")] == [0, 0, 1, 2]


def test_answers_for_another_page_are_not_for_this_one(page: Page, wire: Wire) -> None:
    joins = len(wire.frames("join"))
    wire.say({"t": "joined", "client": "of-another-page", "n": 9, "html": "<h1>Another page</h1>"})
    wire.say({"t": "stale", "client": "of-another-page"})
    click(page, "Increment")
    expect(page.locator("#count")).to_have_text("1")
    expect(page.locator("h1")).to_have_text("Home")
    assert len(wire.frames("join")) == joins


def test_who_goes_on_before_a_page_has_joined_gets_the_last_one(page: Page, wire: Wire) -> None:
    wire.is_deaf = True
    page.evaluate("void djust.navigate('/tasks/')")
    wire.wait_for(lambda: len(wire.lost) == 1, "the answer for the first page")
    page.evaluate("void djust.navigate('/search/')")
    wire.wait_for(lambda: len(wire.lost) == 2, "the answer for the second page")
    wire.is_deaf = False
    wire.say(wire.lost[0])
    expect(page.locator("h1")).to_have_text("Search")
    expect(page.locator("body.dj-connected")).not_to_be_attached()
    wire.say(wire.lost[1])
    connected(page)
    expect(page.locator("h1")).to_have_text("Search")


def test_an_error_may_show_what_is_true(page: Page, wire: Wire) -> None:
    html = inner_html(page).replace('"count">0<', '"count">42<')
    wire.say({"t": "error", "n": 0, "message": "It did not work.", "html": html})
    expect(page.locator("#count")).to_have_text("42")
    assert page.evaluate("heard") == [{"message": "It did not work."}]


def test_a_release_that_keeps_saying_stale_is_not_asked_without_a_pause(chromium: Chromium, url: str) -> None:
    """The pages are of one release, and the sockets lead to another."""
    page = chromium.page(url)
    joins: list[float] = []

    def answer(socket: WebSocketRoute) -> None:
        def stale(message: str | bytes) -> None:
            frame: dict[str, Any] = json.loads(message)
            if frame["t"] == "join":
                joins.append(time.monotonic())
                socket.send(json.dumps({"t": "stale", "client": frame["client"]}))

        socket.on_message(stale)

    page.route_web_socket("**/ws/live/", answer)
    page.add_init_script("Math.random = () => 1")
    page.goto("/")
    Wire.wait(page, lambda: len(joins) == 4, "some tries")
    # Half a second, one second, two seconds: each time on a socket of its own.
    pauses = [later - earlier for earlier, later in pairwise(joins)]
    assert all(pause >= least for pause, least in zip(pauses, (0.4, 0.9, 1.9), strict=True)), pauses
    page.context.close()


def test_a_stale_page_that_cannot_be_fetched_comes_back_by_itself(chromium: Chromium, url: str) -> None:
    page = chromium.page(url)
    wire = Wire(page)
    visit(page, "/")
    page.route("**/", lambda route: route.fulfill(status=502))
    wire.say({"t": "stale", "client": wire.frames("join")[0]["client"]})
    expect(page.locator(".dj-banner")).to_contain_text("The page could not be loaded.")
    page.unroute("**/")
    wire.wait_for(lambda: len({frame["token"] for frame in wire.frames("join")}) == 2, "the page to be fetched")
    connected(page)
    expect(page.locator(".dj-banner")).to_be_empty()
    assert page.evaluate("isFirstDocument")
    page.context.close()


def test_a_page_that_cannot_be_morphed_is_replaced(chromium: Chromium, url: str) -> None:
    """A form whose field has the name of what every element has."""
    page = chromium.page(url)
    wire = Wire(page)
    visit(page, "/")
    for text in ("one", "two", "three"):
        html = f"<h1>{text}</h1><form><input name='attributes'><b>{text}</b></form>"
        wire.say({"t": "update", "html": html})
        expect(page.locator("h1")).to_have_text(text)
        expect(page.locator("b")).to_have_text(text)
    wire.say({"t": "update", "splices": [[4, 5, "four"]]})
    expect(page.locator("h1")).to_have_text("four")
    page.context.close()


def test_nothing_moves_under_a_pointer_that_is_down(page: Page, wire: Wire) -> None:
    button = page.get_by_role("button", name="Increment", exact=True)
    button.hover()
    page.mouse.down()
    html = inner_html(page)
    wire.say({"t": "update", "html": f"<p>Moves all</p>{'<hr>' * 30}{html}"})
    wire.say({"t": "update", "splices": [[3, 5, "Moved"]]})
    wire.is_silent = True
    page.mouse.up()
    wire.wait_for(lambda: wire.frames("event"), "the click")
    assert wire.frames("event")[0]["name"] == "increment"
    expect(page.get_by_text("Moved all")).to_be_visible()


def test_a_pointer_that_stays_down_stops_nothing(page: Page, wire: Wire) -> None:
    page.get_by_role("button", name="Increment", exact=True).hover()
    page.mouse.down()
    wire.say({"t": "update", "html": "<h1>Later</h1>"})
    expect(page.locator("h1")).to_have_text("Later")
    page.mouse.up()


def test_a_submission_that_a_script_prevented_is_not_sent(page: Page, wire: Wire) -> None:
    visit(page, "/fields/")
    page.evaluate("document.querySelector('form').addEventListener('submit', (event) => event.preventDefault())")
    click(page, "Save")
    click(page, "Tick")
    expect(page.locator("#ticks")).to_have_text("1")
    assert [frame["name"] for frame in wire.frames("event")] == ["tick"]


def test_keys_that_a_browser_fills_in_are_no_keys(page: Page, wire: Wire) -> None:
    visit(page, "/directives/")
    page.evaluate("document.querySelector('#key').dispatchEvent(new Event('keydown', {bubbles: true}))")
    page.locator("#key").press("Enter")
    expect(page.locator("#calls li")).to_have_count(1)


def test_a_page_speaks_at_the_pace_of_its_server(chromium: Chromium) -> None:
    with serve(FRAME_RATE="20", FRAME_BURST="10") as web:
        page = chromium.page(web.url)
        wire = Wire(page)
        visit(page, "/")
        page.evaluate("for (let number = 0; number < 40; number++) djust.push('increment')")
        expect(page.locator("#count")).to_have_text("40")
        assert len(wire.sockets) == 1
        page.context.close()
