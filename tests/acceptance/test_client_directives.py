"""What each directive of a template sends, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.live_site.serving import connected, open_live
from tests.servers.waiting import wait_until


class Notebook:
    """The page that writes down which handler was called with what."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def expect_calls(self, *calls: list[Any]) -> None:
        """Wait until these calls were made, and no others."""
        expect(self.page.locator("#calls li")).to_have_count(len(calls))
        assert [json.loads(text) for text in self.page.locator("#calls li").all_text_contents()] == list(calls)

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def notebook(chromium: Chromium, url: str) -> Iterator[Notebook]:
    page = open_live(chromium, url, "/directives/")
    bad = complaints(page)
    yield Notebook(page)
    assert bad == []
    page.context.close()


def test_attributes_are_named_parameters(notebook: Notebook) -> None:
    notebook.click("Attributes")
    notebook.expect_calls(["note", [], {"item_id": 3, "kind": "row", "flag": True, "code": "007"}])


def test_arguments_in_the_directive_are_positional(notebook: Notebook) -> None:
    notebook.click("Arguments")
    notebook.expect_calls(["note", ["month", 3, True, None, "it's"], {}])


def test_type_hints_decide(notebook: Notebook) -> None:
    notebook.click("Typed")
    notebook.expect_calls(["typed_params", [5, True, "12", 1.5], {}])


def test_a_confirmation_may_be_refused(notebook: Notebook) -> None:
    answers = iter([False, True])

    def answer(dialog: Dialog) -> None:
        assert dialog.message == "Really?"
        dialog.accept() if next(answers) else dialog.dismiss()

    notebook.page.on("dialog", answer)
    notebook.click("Confirmed")
    notebook.click("Confirmed")
    notebook.expect_calls(["note", [], {}])


def test_a_link_with_a_click_leads_nowhere(notebook: Notebook) -> None:
    notebook.page.get_by_role("link", name="Link", exact=True).click()
    notebook.expect_calls(["note", [], {"what": "link"}])
    assert notebook.page.url.endswith("/directives/")


def test_clicks_are_throttled(notebook: Notebook) -> None:
    for _ in range(3):
        notebook.click("Throttled")
    notebook.click("Attributes")
    expect(notebook.page.locator("#calls li")).to_have_count(2)


def test_keys_have_names(notebook: Notebook) -> None:
    notebook.page.locator("#key").fill("text")
    for key in ("x", "Enter", "Escape", "ArrowUp", "Control+b"):
        notebook.page.keyboard.press(key)
    field = {"_target": "key", "value": "textx"}
    notebook.expect_calls(
        ["note", ["enter"], {**field, "key": "Enter"}],
        ["note", ["escape"], {**field, "key": "Escape"}],
        ["note", ["up"], {**field, "key": "ArrowUp"}],
        ["note", ["bold"], {**field, "key": "b"}],
    )


def test_focus_and_blur(notebook: Notebook) -> None:
    notebook.page.locator("#focus").fill("here")
    notebook.page.locator("#key").focus()
    notebook.expect_calls(
        ["note", ["focus"], {"_target": "focus", "value": ""}],
        ["note", ["blur"], {"_target": "focus", "value": "here"}],
    )


def test_typing_is_sent_when_it_pauses(notebook: Notebook) -> None:
    notebook.page.locator("#search").press_sequentially("abc", delay=20)
    notebook.expect_calls(["note", ["search"], {"_target": "search", "value": "abc"}])


def test_typing_without_debounce_is_sent_at_once(notebook: Notebook) -> None:
    notebook.page.locator("#now").press_sequentially("abc")
    notebook.expect_calls(*(["note", ["now"], {"_target": "now", "value": text}] for text in ("a", "ab", "abc")))


def test_typing_may_wait_until_the_field_is_left(notebook: Notebook) -> None:
    notebook.page.locator("#late").press_sequentially("abc")
    notebook.page.locator("#check").focus()
    notebook.expect_calls(["note", ["late"], {"_target": "late", "value": "abc"}])


def test_what_is_typed_is_sent_before_what_comes_after_it(notebook: Notebook) -> None:
    notebook.page.locator("#search").fill("first")
    # Without taking the focus away, which would send it as well.
    notebook.page.evaluate("djust.push('note', {second: true})")
    notebook.expect_calls(
        ["note", ["search"], {"_target": "search", "value": "first"}], ["note", [], {"second": True}]
    )


def test_choices_send_their_values(notebook: Notebook) -> None:
    page = notebook.page
    page.locator("#choice").select_option("b")
    page.locator("#many").select_option(["a", "b"])
    page.locator("#check").check()
    page.locator("#check").uncheck()
    notebook.expect_calls(
        ["note", ["choice"], {"_target": "choice", "value": "b"}],
        ["note", ["many"], {"_target": "many", "value": ["a", "b"]}],
        ["note", ["check"], {"_target": "check", "value": True}],
        ["note", ["check"], {"_target": "check", "value": False}],
    )


def test_models_follow_fields(notebook: Notebook) -> None:
    page = notebook.page
    page.locator("#query").press_sequentially("abc")
    expect(page.locator("#query-echo")).to_have_text("abc")
    page.locator("#lazy").press_sequentially("xyz")
    expect(page.locator("#lazy-echo")).to_have_text("")
    page.keyboard.press("Tab")
    expect(page.locator("#lazy-echo")).to_have_text("xyz")


def test_a_lock_keeps_a_second_click_out(notebook: Notebook) -> None:
    for _ in range(3):
        notebook.click("Slow")
    expect(notebook.page.locator("#slow-calls")).to_have_text("1")
    notebook.click("Slow")
    expect(notebook.page.locator("#slow-calls")).to_have_text("2")


def test_a_button_says_that_it_is_at_work(notebook: Notebook) -> None:
    button = notebook.page.locator("#saving")
    button.focus()
    notebook.page.keyboard.press("Enter")
    expect(button).to_have_text("Saving…")
    expect(button).to_be_disabled()
    expect(button).to_be_enabled()
    assert button.inner_html() == "<b>Save</b>"
    expect(button).to_be_focused()


def test_a_change_in_a_form_does_not_disable_the_button_that_ends_it(notebook: Notebook) -> None:
    notebook.page.locator("#changed").fill("x")
    # The click takes the focus from the field, whose change is slow, before it is one.
    notebook.page.get_by_role("button", name="Send").click()
    expect(notebook.page.locator("#calls")).to_contain_text("sent")


def test_the_page_shows_what_is_under_way(notebook: Notebook) -> None:
    page = notebook.page
    expect(page.locator("#spinner")).to_be_hidden()
    expect(page.locator("#idle")).to_be_visible()
    notebook.click("Dim")
    expect(page.locator("#dimmed")).to_have_class("djust-loading dim dark")
    expect(page.locator("#dimmed")).to_be_disabled()
    expect(page.locator("#spinner")).to_be_visible()
    expect(page.locator("#idle")).to_be_hidden()
    expect(page.locator("#other")).to_be_hidden()
    expect(page.locator("#any")).to_have_class("busy")
    expect(page.locator("#card")).to_have_class("marked")
    expect(page.locator("#remote")).not_to_have_class("marked")
    expect(page.locator("body")).to_have_class("dj-connected djust-global-loading")
    expect(page.locator("#spinner")).to_be_hidden()
    expect(page.locator("#idle")).to_be_visible()
    expect(page.locator("#dimmed")).to_be_enabled()
    assert page.locator("#dimmed").get_attribute("class") is None
    assert page.locator("#card").get_attribute("class") is None
    assert page.locator("body").get_attribute("class") == "dj-connected"


def test_updates_meanwhile_do_not_end_what_is_shown(notebook: Notebook) -> None:
    notebook.page.evaluate("djust.push('note')")
    notebook.click("Slow")
    notebook.page.evaluate("djust.push('note')")
    expect(notebook.page.locator("#slow")).to_have_class("djust-loading")
    expect(notebook.page.locator("#slow-calls")).to_have_text("1")
    expect(notebook.page.locator("#calls li")).to_have_count(2)


def test_pushed_events_arrive_at_document_and_window(notebook: Notebook) -> None:
    notebook.page.evaluate(
        """() => {
            window.heard = [];
            for (const target of [document, window])
                target.addEventListener("djust:push_event", ({detail}) => heard.push(detail));
        }"""
    )
    notebook.click("Announce")
    heard = {"event": "announced", "payload": {"calls": 0}}
    wait_until(lambda: notebook.page.evaluate("heard") == [heard, heard], what="both to hear it")


def test_the_public_object(notebook: Notebook) -> None:
    page = notebook.page
    assert page.evaluate("Object.keys(djust).sort()") == ["connected", "navigate", "push"]
    page.evaluate("djust.push('note', {from_script: 1})")
    notebook.expect_calls(["note", [], {"from_script": 1}])
    page.evaluate("djust.navigate('/tasks/')")
    expect(page.locator("h1")).to_have_text("Tasks")
    connected(page)
    assert page.evaluate("djust.connected") is True
