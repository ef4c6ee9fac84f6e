"""What a page does when its connection is lost, refused, or comes back. The other end is played by the test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.live_site.serving import connected, open_live, prepared_database, serve
from tests.live_site.wire import Wire
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until

LISTEN = """
window.heard = [];
for (const name of ["connected", "disconnected", "conflict", "error", "refused"])
    document.addEventListener(`djust:${name}`, ({detail}) => heard.push([name, detail]));
"""


@pytest.fixture(scope="module")
def web() -> Iterator[UvicornServer]:
    with serve() as started:
        yield started


@pytest.fixture
def page(chromium: Chromium, web: UvicornServer) -> Iterator[Page]:
    opened = chromium.page(web.url)
    opened.add_init_script(LISTEN)
    bad = complaints(opened)
    yield opened
    assert bad == []
    opened.context.close()


@pytest.fixture
def wire(page: Page) -> Wire:
    made = Wire(page)
    page.goto("/")
    connected(page)
    page.evaluate("window.isFirstDocument = true")
    return made


def heard(page: Page, name: str) -> list[Any]:
    return [detail for event, detail in page.evaluate("heard") if event == name]


def increment(page: Page) -> None:
    page.get_by_role("button", name="Increment", exact=True).click()


def expect_count(page: Page, count: int) -> None:
    expect(page.locator("#count")).to_have_text(str(count), timeout=10_000)


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 4408])
def test_it_comes_back_with_the_state_and_the_events_meanwhile(page: Page, wire: Wire, code: int) -> None:
    increment(page)
    expect_count(page, 1)
    page.locator("[name=draft]").fill("being written")
    page.locator("[name=ticked]").check()
    wire.is_cut = True
    wire.close(code)
    expect(page.locator("body")).to_have_class("dj-disconnected")
    expect(page.locator(".dj-banner")).to_contain_text("Reconnecting")
    increment(page)
    increment(page)
    wire.is_cut = False
    expect(page.locator("body")).to_have_class("dj-connected", timeout=20_000)
    expect_count(page, 3)
    expect(page.locator(".dj-banner")).to_be_empty()
    expect(page.locator("[name=draft]")).to_have_value("being written")
    expect(page.locator("[name=ticked]")).to_be_checked()
    [lost] = heard(page, "disconnected")
    assert lost["code"] == code
    assert len(heard(page, "connected")) == 2
    first, again = wire.frames("join")[0], wire.frames("join")[-1]
    assert (first.pop("acked"), again.pop("acked")) == (0, 1)
    assert first == again
    assert len(first["client"]) >= 16
    assert page.evaluate("isFirstDocument")


def test_what_was_not_acknowledged_is_sent_again_with_its_number(page: Page, wire: Wire) -> None:
    increment(page)
    expect_count(page, 1)
    wire.is_silent = True
    increment(page)
    increment(page)
    wire.wait_for(lambda: len(wire.frames("event")) == 3, "the events")
    wire.is_silent = False
    wire.close(1012)
    expect_count(page, 3)
    assert [frame["n"] for frame in wire.frames("event")] == [1, 2, 3, 2, 3]


def test_a_short_break_is_not_worth_a_word(page: Page, wire: Wire) -> None:
    page.evaluate(
        """() => {
            window.said = "";
            new MutationObserver(() => (said += document.querySelector(".dj-banner").textContent))
                .observe(document.querySelector(".dj-banner"), {childList: true});
        }"""
    )
    # The first try comes within half a second.
    wire.close(1011)
    wire.wait_for(lambda: len(heard(page, "connected")) == 2, "the page to be back")
    assert page.evaluate("said") == ""


def test_online_and_a_look_at_the_page_try_at_once(page: Page, wire: Wire) -> None:
    wire.is_cut = True
    wire.close(1013)
    # The waiting time has grown when it has failed several times.
    wire.wait_for(lambda: len(wire.sockets) >= 4, "some tries")
    wire.is_cut = False
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("body")).to_have_class("dj-connected", timeout=2_000)
    wire.is_cut = True
    wire.close(1013)
    wire.wait_for(lambda: len(wire.sockets) >= 9, "some more tries")
    wire.is_cut = False
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("body")).to_have_class("dj-connected", timeout=2_000)


def test_too_many_frames_mean_a_longer_wait(page: Page, wire: Wire) -> None:
    started = time.monotonic()
    wire.close(4429, "A socket may send 50 frames a second.")
    increment(page)
    expect_count(page, 1)
    assert time.monotonic() - started >= 5


@pytest.mark.parametrize("code", [4400, 4405, 4413, 4414, 4417])
def test_what_is_refused_is_not_sent_again(page: Page, wire: Wire, code: int) -> None:
    wire.is_silent = True
    increment(page)
    wire.wait_for(lambda: wire.frames("event"), "the event")
    wire.is_silent = False
    wire.close(code, "No.")
    expect(page.locator("body")).to_have_class("dj-connected")
    [refused] = heard(page, "refused")
    assert (refused["code"], refused["reason"], refused["events"][0]["name"]) == (code, "No.", "increment")
    expect(page.locator("button.djust-loading")).to_have_count(0)
    increment(page)
    expect_count(page, 1)
    assert [frame["n"] for frame in wire.frames("event")] == [1, 2]


def test_an_unknown_handler_is_refused_by_the_server_itself(page: Page, wire: Wire) -> None:
    page.evaluate("djust.push('nothing_of_this_name')")
    wire.wait_for(lambda: heard(page, "refused"), "the refusal")
    assert heard(page, "refused")[0]["code"] == 4405
    increment(page)
    expect_count(page, 1)


def test_a_logout_reloads_the_page(page: Page, wire: Wire) -> None:
    with page.expect_navigation():
        wire.close(4401)
    connected(page)
    assert page.evaluate("window.isFirstDocument") is None


def test_whoever_logs_out_is_logged_out_in_every_tab(chromium: Chromium) -> None:
    with serve(**prepared_database()) as web:
        first = chromium.page(web.url)
        first.goto("/login/?next=/")
        first.get_by_label("Username").fill("ada")
        first.get_by_label("Password").fill("pw")
        first.get_by_role("button", name="Log in").click()
        expect(first.locator("#user")).to_have_text("ada")
        second = first.context.new_page()
        second.goto("/")
        expect(second.locator("#user")).to_have_text("ada")
        connected(second)
        first.get_by_role("button", name="Log out").click()
        expect(second.locator("#user")).to_have_count(0)
        for page in (first, second):
            connected(page)
            increment(page)
            expect_count(page, 1)
        first.context.close()


def test_a_reload_that_does_not_help_is_not_repeated(page: Page) -> None:
    loads: list[str] = []
    page.on("domcontentloaded", lambda loaded: loads.append(loaded.url))
    page.route_web_socket("**/ws/live/", lambda socket: socket.close(code=4401))
    page.goto("/")
    expect(page.locator(".dj-banner")).to_contain_text("The server refuses this page.")
    assert len(loads) == 2


def test_a_refused_token_is_tried_once_more_then_the_page_is_reloaded(page: Page, wire: Wire) -> None:
    tries = len(wire.sockets)
    wire.close(4406)
    wire.wait_for(lambda: len(wire.sockets) == tries + 1, "another try")
    connected(page)
    assert page.evaluate("isFirstDocument")

    def refuse(socket: WebSocketRoute) -> None:
        socket.close(code=4406)

    page.route_web_socket("**/ws/live/", refuse)
    with page.expect_navigation():
        wire.close(4406)
    expect(page.locator(".dj-banner")).to_contain_text("The server refuses this page.", timeout=15_000)


def test_a_foreign_origin_is_final(page: Page, wire: Wire) -> None:
    wire.close(4403)
    expect(page.locator(".dj-banner")).to_have_text("This page cannot connect to the server.")
    tries = len(wire.sockets)
    page.evaluate("dispatchEvent(new Event('online'))")
    increment(page)
    assert len(wire.sockets) == tries


@pytest.mark.parametrize(
    ("reason", "text"), [("expired", "This page has expired."), ("ended", "This page was ended.")]
)
def test_a_session_that_is_gone_can_be_started_again(page: Page, wire: Wire, reason: str, text: str) -> None:
    increment(page)
    expect_count(page, 1)
    page.locator("[name=draft]").fill("being written")
    page.locator("[name=ticked]").check()
    wire.close(4404, reason)
    expect(page.locator(".dj-banner")).to_contain_text(text)
    page.get_by_role("button", name="Start again").click()
    expect(page.locator("body")).to_have_class("dj-connected")
    expect_count(page, 0)
    expect(page.locator(".dj-banner")).to_be_empty()
    expect(page.locator("[name=draft]")).to_have_value("being written")
    expect(page.locator("[name=ticked]")).to_be_checked()
    increment(page)
    expect_count(page, 1)
    tokens = {frame["token"] for frame in wire.frames("join")}
    clients = {frame["client"] for frame in wire.frames("join")}
    assert len(tokens) == len(clients) == 2
    assert page.evaluate("isFirstDocument")


def test_a_conflict_shows_the_truth_and_says_so(page: Page, wire: Wire) -> None:
    html = page.locator("[dj-root]").inner_html().replace('"count">0<', '"count">42<')
    wire.say({"t": "update", "html": html, "conflict": True})
    expect_count(page, 42)
    expect(page.locator(".dj-banner")).to_have_text("This page was changed elsewhere: this is how it is.")
    assert len(heard(page, "conflict")) == 1
    expect(page.locator(".dj-banner")).to_be_empty(timeout=10_000)


def test_an_error_is_told_and_nothing_is_lost(page: Page, wire: Wire) -> None:
    increment(page)
    page.get_by_role("button", name="Fail").click()
    increment(page)
    expect_count(page, 2)
    expect(page.locator(".dj-banner")).to_contain_text("It was to be expected.")
    [error] = heard(page, "error")
    assert "It was to be expected." in error["message"]
    expect(page.locator("button.djust-loading")).to_have_count(0)


def test_who_listens_may_say_it_otherwise(page: Page, wire: Wire) -> None:
    page.evaluate("document.addEventListener('djust:error', (event) => event.preventDefault())")
    page.get_by_role("button", name="Fail").click()
    wire.wait_for(lambda: heard(page, "error"), "the error")
    expect(page.locator(".dj-banner")).to_be_empty()


def test_the_session_of_a_page_that_is_left_ends_soon(
    chromium: Chromium, redis7: RedisServer, key_prefix: str
) -> None:
    with serve(REDIS_URL=redis7.url, KEY_PREFIX=key_prefix) as web, redis7.client() as client:

        def lives() -> list[int]:
            """Seconds that the sessions have left."""
            return sorted(client.ttl(key) for key in client.scan_iter(f"{key_prefix}*:s:*"))

        page = open_live(chromium, web.url, "/")
        wait_until(lambda: len(lives()) == 1 and lives()[0] > 3_000, what="the session to be kept")
        page.get_by_role("link", name="Tasks", exact=True).click()
        expect(page.locator("h1")).to_have_text("Tasks")
        connected(page)
        wait_until(lambda: len(lives()) == 2 and lives()[0] <= 60 and lives()[1] > 3_000, what="the first to be left")
        page.goto("/report/")
        wait_until(lambda: lives()[-1] <= 60, what="both to be left")
        page.go_back()
        connected(page)
        wait_until(lambda: lives()[-1] > 3_000, what="a session to be kept again")
        page.context.close()
        wait_until(lambda: lives()[-1] <= 60, what="the closed page to be left")


def test_cloaked_elements_appear_with_the_connection(page: Page) -> None:
    wire = Wire(page)
    wire.is_cut = True
    page.goto("/")
    expect(page.locator("body")).to_have_class("dj-disconnected")
    expect(page.locator("#cloaked")).to_be_hidden()
    wire.is_cut = False
    expect(page.locator("#cloaked")).to_be_visible(timeout=15_000)
    increment(page)
    expect_count(page, 1)
    expect(page.locator("#cloaked")).to_be_visible()


def test_silence_is_noticed(chromium: Chromium) -> None:
    with serve(HEARTBEAT="1") as web:
        page = chromium.page(web.url)
        wire = Wire(page)
        page.goto("/")
        connected(page)
        wire.wait_for(lambda: len(wire.frames("ping")) >= 2, "pings")
        wire.is_silent = True
        expect(page.locator("body")).to_have_class("dj-disconnected", timeout=15_000)
        wire.is_silent = False
        expect(page.locator("body")).to_have_class("dj-connected", timeout=15_000)
        page.context.close()


def test_who_only_listens_gives_signs_of_life(chromium: Chromium) -> None:
    with serve(HEARTBEAT="1") as web:
        page = chromium.page(web.url)
        wire = Wire(page)
        page.goto("/")
        connected(page)
        said = 0

        def hears_without_a_break() -> bool:
            nonlocal said
            said += 1
            wire.say({"t": "update", "splices": []})
            return len(wire.frames("ping")) >= 3

        wire.wait_for(hears_without_a_break, "pings")
        # Far more often than once a heartbeat.
        assert said > 9
        assert len(wire.sockets) == 1
        page.context.close()


def test_hundreds_of_waiting_events_arrive_in_order(page: Page, wire: Wire) -> None:
    wire.is_cut = True
    wire.close(1012)
    expect(page.locator("body")).to_have_class("dj-disconnected")
    page.evaluate("for (let number = 0; number < 250; number++) djust.push('increment')")
    wire.is_cut = False
    page.evaluate("dispatchEvent(new Event('online'))")
    expect_count(page, 250)
    assert len(wire.frames("join")) == 2


def test_the_banner_suits_dark_pages(chromium: Chromium, web: UvicornServer) -> None:
    page = open_live(chromium, web.url, "/", color_scheme="dark")
    style = "getComputedStyle(document.querySelector('.dj-banner'))"
    assert page.evaluate(f"{style}.position") == "fixed"
    background = page.evaluate(f"{style}.backgroundColor")
    assert max(int(part) for part in background.strip("rgb()").split(",")) < 60
    page.context.close()
