"""Whose value a field shows: what a user typed, ticked and chose, and what the server renders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.live_site.serving import open_live


@pytest.fixture
def page(chromium: Chromium, url: str) -> Iterator[Page]:
    opened = open_live(chromium, url, "/fields/")
    bad = complaints(opened)
    yield opened
    assert bad == []
    opened.context.close()


def tick(page: Page) -> None:
    """Have the page updated by an event that has nothing to do with its fields."""
    ticks = page.locator("#ticks")
    count = int(ticks.text_content() or "")
    page.evaluate("djust.push('tick')")
    expect(ticks).to_have_text(str(count + 1))


def submitted(page: Page) -> list[dict[str, Any]]:
    return [json.loads(text) for text in page.locator("#submitted li").all_text_contents()]


def test_an_update_leaves_alone_what_it_is_not_about(page: Page) -> None:
    page.locator("#served").fill("mine")
    page.locator("#area").fill("my text")
    page.locator("#box").check()
    page.locator("#right").check()
    page.locator("#color").select_option("blue")
    page.locator("#several").select_option(["a", "c"])
    page.locator("#number").fill("12")
    page.locator("#plain").press_sequentially("typed")
    page.evaluate("document.querySelector('#plain').setSelectionRange(1, 3)")
    tick(page)
    expect(page.locator("#served")).to_have_value("mine")
    expect(page.locator("#area")).to_have_value("my text")
    expect(page.locator("#box")).to_be_checked()
    expect(page.locator("#right")).to_be_checked()
    expect(page.locator("#color")).to_have_value("blue")
    expect(page.locator("#several")).to_have_values(["a", "c"])
    expect(page.locator("#number")).to_have_value("12")
    expect(page.locator("#plain")).to_have_value("typed")
    expect(page.locator("#plain")).to_be_focused()
    assert page.evaluate("[...[plain.selectionStart, plain.selectionEnd]]") == [1, 3]


def test_the_server_wins_where_it_renders_something_else(page: Page) -> None:
    page.locator("#served").fill("mine")
    page.locator("#area").fill("my text")
    page.locator("#plain").fill("untouched")
    page.get_by_role("button", name="Serve another text").click()
    expect(page.locator("#served")).to_have_value("other")
    expect(page.locator("#area")).to_have_value("other")
    expect(page.locator("#plain")).to_have_value("untouched")
    page.locator("#served").fill("mine again")
    tick(page)
    expect(page.locator("#served")).to_have_value("mine again")


def test_choices_follow_the_server_where_it_chooses(page: Page) -> None:
    page.locator("#color").select_option("blue")
    page.get_by_role("button", name="Serve red").click()
    expect(page.locator("#color")).to_have_value("red")
    page.locator("#color").select_option("blue")
    tick(page)
    expect(page.locator("#color")).to_have_value("blue")


def test_typing_on_is_not_disturbed_by_answers(page: Page) -> None:
    field = page.locator("#shouted")
    # The server answers in capitals, each time while the next letters are being typed.
    field.press_sequentially("one two three four five six", delay=60)
    assert field.input_value().lower() == "one two three four five six"
    expect(field).to_have_value("ONE TWO THREE FOUR FIVE SIX")
    expect(page.locator("#shouted-echo")).to_have_text("ONE TWO THREE FOUR FIVE SIX")


def test_the_caret_stays_when_the_server_writes(page: Page) -> None:
    field = page.locator("#shouted")
    field.fill("abcdef")
    page.evaluate("document.querySelector('#shouted').setSelectionRange(2, 2)")
    expect(field).to_have_value("ABCDEF")
    page.keyboard.type("x")
    expect(field).to_have_value("ABXCDEF")


def test_a_bound_field_is_the_state(page: Page) -> None:
    page.locator("#bound").press_sequentially("quick typing", delay=5)
    expect(page.locator("#bound-echo")).to_have_text("quick typing")
    expect(page.locator("#bound")).to_have_value("quick typing")


def test_a_form_sends_its_fields_and_is_taken_over(page: Page) -> None:
    page.locator("#title").fill("First")
    page.locator("#urgent").check()
    page.locator("#priority").select_option("high")
    page.locator("#plain").fill("outside")
    page.locator("#save").click()
    expect(page.locator("#submitted li")).to_have_count(1)
    assert submitted(page) == [
        {
            "title": "First",
            "tag": ["one", "two"],
            "urgent": "yes",
            "priority": "high",
            "action": "save",
            "_target": "action",
        }
    ]
    expect(page.locator("#title")).to_have_value("")
    expect(page.locator("#urgent")).not_to_be_checked()
    expect(page.locator("#priority")).to_have_value("low")
    expect(page.locator("#plain")).to_have_value("outside")


def test_what_was_not_ticked_is_not_sent(page: Page) -> None:
    page.locator("#title").fill("Second")
    page.keyboard.press("Enter")
    expect(page.locator("#submitted li")).to_have_count(1)
    assert "urgent" not in submitted(page)[0]
    assert submitted(page)[0]["title"] == "Second"


def test_a_form_that_did_not_work_keeps_what_was_typed(page: Page) -> None:
    page.locator("#title").fill("wrong")
    page.locator("#urgent").check()
    page.locator("#save").click()
    expect(page.locator(".dj-banner")).to_have_text("ValueError: This title is wrong.")
    expect(page.locator("#title")).to_have_value("wrong")
    expect(page.locator("#urgent")).to_be_checked()


def test_what_others_put_into_an_ignored_element_stays(chromium: Chromium, url: str) -> None:
    page = open_live(chromium, url, "/")
    page.evaluate("document.querySelector('#ignored').innerHTML = '<b>A chart</b>'")
    page.get_by_role("button", name="Increment", exact=True).click()
    expect(page.locator("#count")).to_have_text("1")
    assert page.locator("#ignored").inner_html() == "<b>A chart</b>"
    page.context.close()


def test_what_a_user_has_opened_stays_open(chromium: Chromium, url: str) -> None:
    page = open_live(chromium, url, "/")
    page.locator("summary").click()
    page.get_by_role("button", name="Increment", exact=True).click()
    expect(page.locator("#count")).to_have_text("1")
    assert page.evaluate("document.querySelector('#details').open")
    page.locator("summary").click()
    page.get_by_role("button", name="Increment", exact=True).click()
    expect(page.locator("#count")).to_have_text("2")
    assert not page.evaluate("document.querySelector('#details').open")
    page.context.close()


@pytest.fixture
def tasks(chromium: Chromium, url: str) -> Iterator[Page]:
    opened = open_live(chromium, url, "/tasks/")
    bad = complaints(opened)
    yield opened
    assert bad == []
    opened.context.close()


def titles(page: Page) -> list[str]:
    return page.locator("#tasks span").all_text_contents()


def test_rows_keep_what_is_in_them_wherever_they_go(tasks: Page) -> None:
    comment = tasks.get_by_label("Comment on Task 2")
    comment.fill("about two")
    tasks.evaluate("window.row = document.querySelectorAll('#tasks li')[1]")
    tasks.get_by_role("button", name="Reverse").click()
    expect(tasks.locator("#tasks li").first).to_contain_text("Task 3")
    expect(comment).to_have_value("about two")
    tasks.get_by_label("New task").fill("Task 4")
    tasks.keyboard.press("Enter")
    expect(tasks.locator("#tasks li")).to_have_count(4)
    expect(tasks.get_by_label("New task")).to_have_value("")
    expect(tasks.get_by_label("New task")).to_be_focused()
    tasks.get_by_role("button", name="Notify").click()
    expect(tasks.locator("#notice")).to_be_visible()
    tasks.locator("#tasks li", has_text="Task 3").get_by_role("button", name="Remove").click()
    expect(tasks.locator("#tasks li")).to_have_count(3)
    assert titles(tasks) == ["Task 4", "Task 2", "Task 1"]
    expect(comment).to_have_value("about two")
    assert tasks.evaluate("row === document.querySelectorAll('#tasks li')[1]")
    assert tasks.evaluate("[...document.querySelectorAll('#tasks li')].every((row) => !row.id)")


def test_a_row_keeps_the_focus_when_it_moves(tasks: Page) -> None:
    comment = tasks.get_by_label("Comment on Task 3")
    comment.press_sequentially("about")
    tasks.evaluate("djust.push('reverse')")
    expect(tasks.locator("#tasks li").first).to_contain_text("Task 3")
    expect(comment).to_be_focused()
    tasks.keyboard.type(" three")
    expect(comment).to_have_value("about three")


def test_a_row_that_goes_takes_its_tick_along(tasks: Page) -> None:
    tasks.locator("#tasks li", has_text="Task 1").get_by_role("checkbox").check()
    tasks.locator("#tasks li", has_text="Task 1").get_by_role("button", name="Remove").click()
    expect(tasks.locator("#tasks li")).to_have_count(2)
    assert tasks.locator("#tasks input:checked").count() == 0
