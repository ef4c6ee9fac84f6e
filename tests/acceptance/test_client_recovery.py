"""What a user has done in a page outlives the end of its session, and a release that changes the view."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.live_site.serving import connected
from tests.live_site.wire import Wire


@pytest.fixture
def wire(chromium: Chromium, url: str) -> Iterator[Wire]:
    page = chromium.page(url)
    bad = complaints(page)
    made = Wire(page)
    page.goto("/fields/")
    connected(page)
    fill_in(page)
    yield made
    assert bad == []
    page.context.close()


def fill_in(page: Page) -> None:
    """Do something to fields of each kind, and wait until the server knows what it is to know."""
    page.locator("#plain").fill("plain text")
    page.locator("#served").fill("mine")
    page.locator("#area").fill("some lines\nof text")
    page.locator("#box").check()
    page.locator("#right").check()
    page.locator("#color").select_option("blue")
    page.locator("#several").select_option(["a", "c"])
    page.locator("#title").fill("a title")
    page.locator("#urgent").check()
    page.locator("#brush").fill("9")
    page.locator("#grid").check()
    page.locator("#bound").fill("bound text")
    page.locator("#agreed").check()
    page.locator("#shouted").fill("loud")
    page.locator("#scratch").fill("of no use")
    expect(page.locator("#bound-echo")).to_have_text("bound text")
    expect(page.locator("#agreed-echo")).to_have_text("True")
    expect(page.locator("#shouted-echo")).to_have_text("LOUD")
    expect(page.locator("#ticks")).to_have_text("1")


def say_stale(wire: Wire) -> None:
    """Say that this release's view is another one, as the server does in answer to the frame that joins."""
    wire.say({"t": "stale", "client": wire.frames("join")[-1]["client"]})


def expect_fields(page: Page) -> None:
    expect(page.locator("#plain")).to_have_value("plain text")
    expect(page.locator("#served")).to_have_value("mine")
    expect(page.locator("#area")).to_have_value("some lines\nof text")
    expect(page.locator("#box")).to_be_checked()
    expect(page.locator("#right")).to_be_checked()
    expect(page.locator("#color")).to_have_value("blue")
    expect(page.locator("#several")).to_have_values(["a", "c"])
    expect(page.locator("#title")).to_have_value("a title")
    expect(page.locator("#urgent")).to_be_checked()
    expect(page.locator("#brush")).to_have_value("9")
    expect(page.locator("#grid")).to_be_checked()
    expect(page.locator("#bound")).to_have_value("bound text")
    expect(page.locator("#agreed")).to_be_checked()
    expect(page.locator("#shouted")).to_have_value("LOUD")


def expect_told(page: Page) -> None:
    """The fresh state knows what was in the fields, each by its own way."""
    expect(page.locator("#bound-echo")).to_have_text("bound text")
    expect(page.locator("#agreed-echo")).to_have_text("True")
    expect(page.locator("#shouted-echo")).to_have_text("LOUD")
    expect(page.locator("#restored")).not_to_be_empty()
    assert json.loads(page.locator("#restored").text_content() or "") == {
        "brush": "9",
        "canvas_id": "main",
        "grid": "on",
    }
    # The field that is not to be recovered is as the server has it, and said nothing.
    expect(page.locator("#scratch")).to_have_value("")
    expect(page.locator("#ticks")).to_have_text("0")


def test_a_lost_connection_changes_nothing(wire: Wire) -> None:
    events = len(wire.sent)
    wire.close(1012)
    wire.wait_for(lambda: len(wire.frames("join")) == 2, "the page to be back")
    connected(wire.page)
    wire.page.evaluate("djust.push('tick')")
    expect(wire.page.locator("#ticks")).to_have_text("2")
    expect_fields(wire.page)
    expect(wire.page.locator("#scratch")).to_have_value("of no use")
    expect(wire.page.locator("#restored")).to_be_empty()
    assert [frame["t"] for frame in wire.sent[events:]] == ["join", "event"]


def test_a_session_that_is_started_again(wire: Wire) -> None:
    wire.page.locator("#plain").focus()
    wire.close(4404, "expired")
    wire.page.get_by_role("button", name="Start again").click()
    connected(wire.page)
    expect_told(wire.page)
    expect_fields(wire.page)


def test_a_release_that_changed_the_view(wire: Wire) -> None:
    """The server says so in answer to the frame that joins."""
    wire.page.evaluate("window.isFirstDocument = true")
    say_stale(wire)
    wire.wait_for(lambda: len(wire.frames("join")) == 2, "the page to be fetched")
    connected(wire.page)
    expect_told(wire.page)
    expect_fields(wire.page)
    assert wire.page.evaluate("isFirstDocument")


def test_a_release_whose_files_have_other_names(wire: Wire) -> None:
    """The browser has to load such a page by itself."""
    wire.page.evaluate("document.querySelector('[data-djust]').src += '-of-the-release-before'")
    with wire.page.expect_navigation():
        say_stale(wire)
    connected(wire.page)
    expect_told(wire.page)
    expect_fields(wire.page)
    # It is put back once.
    wire.page.reload()
    connected(wire.page)
    assert wire.page.evaluate("history.state.typed") is None
    expect(wire.page.locator("#restored")).to_be_empty()


def test_it_can_happen_twice(wire: Wire) -> None:
    for joins in (2, 3):
        say_stale(wire)
        wire.wait_for(lambda number=joins: len(wire.frames("join")) == number, "the page to be fetched")
        connected(wire.page)
        expect_told(wire.page)
        expect_fields(wire.page)


def test_what_was_recovered_is_taken_over_like_anything_else(wire: Wire) -> None:
    say_stale(wire)
    wire.wait_for(lambda: len(wire.frames("join")) == 2, "the page to be fetched")
    connected(wire.page)
    wire.page.locator("#save").click()
    expect(wire.page.locator("#submitted li")).to_have_count(1)
    fields = json.loads(wire.page.locator("#submitted li").text_content() or "")
    assert (fields["title"], fields["urgent"]) == ("a title", "yes")
    expect(wire.page.locator("#title")).to_have_value("")
