"""A plain project behind nginx in a real browser: what people do with it survives its servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.acceptance.chromium import Chromium
from tests.acceptance.live_browser import ENDINGS, Window, end_serving
from tests.acceptance.live_fleet import Fleet

Open = Callable[..., Window]


@pytest.fixture(scope="module")
def _plain() -> Iterator[Fleet]:
    with Fleet("tests.plain_site") as started:
        yield started


@pytest.fixture
def fleet(_plain: Fleet) -> Iterator[Fleet]:
    """Three servers of the plain site, all of which may be ended."""
    yield _plain
    _plain.mend()


@pytest.fixture
def window(chromium: Chromium, fleet: Fleet) -> Iterator[Open]:
    """Open a page of the site: ``window("/todos/")``; with ``beside=another`` in the same browser as another."""
    opened: list[Window] = []

    def start(path: str = "/", *, beside: Window | None = None) -> Window:
        page = chromium.page(fleet.url) if beside is None else beside.page.context.new_page()
        opened.append(Window(page, path))
        return opened[-1]

    yield start
    for one in opened:
        one.page.context.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_count_is_kept(fleet, window, ending):
    counter = window()
    for name in ("Increment", "Add five", "Add ten"):
        counter.click(name)
    counter.expect_count(16)
    counter.page.get_by_label("Note").fill("half a sen")
    ended = end_serving(fleet, counter, ending)
    counter.click("Increment")
    counter.expect_count(17)
    assert counter.pid in {server.process.pid for server in fleet.servers if server is not ended}
    expect(counter.page.get_by_label("Note")).to_have_value("half a sen")
    counter.expect_connected()
    counter.check(away=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_boxes_and_what_is_being_typed_are_kept(fleet, window, ending):
    todos = window("/todos/")
    page = todos.page
    page.get_by_label("Title").fill("Water the plants")
    expect(page.locator("#length")).to_have_text("16")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("li")).to_have_count(3)
    page.get_by_label("Buy milk").check()
    expect(page.locator("#left")).to_have_text("2 left")
    page.get_by_label("Title").fill("Sweep")
    expect(page.locator("#length")).to_have_text("5")
    page.get_by_label("Urgent").check()

    end_serving(fleet, todos, ending)
    page.get_by_label("Call Ada").check()
    expect(page.locator("#left")).to_have_text("1 left")
    expect(page.locator("li")).to_have_count(3)
    expect(page.get_by_label("Buy milk")).to_be_checked()
    expect(page.get_by_label("Title")).to_have_value("Sweep")
    expect(page.get_by_label("Urgent")).to_be_checked()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("li label").last).to_have_text("Sweep!")
    page.locator("li", has_text="Call Ada").get_by_role("button").click()
    expect(page.locator("li")).to_have_count(3)
    todos.check(away=True)


def test_a_form_that_is_wrong_says_so(window):
    todos = window("/todos/")
    todos.page.get_by_role("button", name="Add").click()
    expect(todos.page.locator("#error")).to_have_text("Say what is to be done.")
    todos.check()


@pytest.mark.parametrize("ending", ENDINGS)
def test_back_and_forward_lead_across_patches_and_redirects_to_the_first_entry(fleet, window, ending):
    one = window()
    page = one.page
    one.click("Add five")
    one.expect_count(5)
    one.click("Finish")
    expect(page.get_by_text("You counted to 5.")).to_be_visible()
    one.click("Look for more")
    expect(page).to_have_url(f"{fleet.url}/search/?q=a")
    one.click("Next page")
    expect(page.locator("#found li")).to_have_text(["banana", "blackberry", "grape"])
    page.get_by_label("Fruit").fill("ap")
    expect(page.locator("#found li")).to_have_text(["apple", "apricot", "grape"])
    assert one.path == "/search/?q=ap"

    visited = [
        ("/search/?q=a&page=2", "#page", "2"),
        ("/search/?q=a", "#page", "1"),
        ("/done/5/", "#count", "5"),
        ("/", "#count", "0"),
    ]
    for number, (path, where, text) in enumerate(visited):
        if number == 1:
            end_serving(fleet, one, ending)
        page.go_back(wait_until="commit")
        expect(page.locator(where)).to_have_text(text)
        assert one.path == path
    for path, where, text in [*reversed(visited[:-1]), ("/search/?q=ap", "#page", "1")]:
        page.go_forward(wait_until="commit")
        expect(page.locator(where)).to_have_text(text)
        assert one.path == path
    expect(page.locator("#found li")).to_have_text(["apple", "apricot", "grape"])
    one.check(away=True)


def test_links_between_pages_do_not_load_a_document(window):
    one = window()
    for name in ("Todos", "Search", "Counter", "Todos"):
        one.click(name)
        expect(one.page).to_have_title(name)
        expect(one.page.locator("h1")).to_have_text(name)
        one.expect_connected()
    one.page.go_back(wait_until="commit")
    expect(one.page.locator("h1")).to_have_text("Counter")
    one.click("Increment")
    one.expect_count(1)
    one.check()


def test_a_deep_link_and_a_reload_show_what_the_address_says(window):
    one = window("/search/?q=b&page=1")
    found = one.page.locator("#found li")
    expect(found).to_have_text(["banana", "blackberry"])
    one.page.reload()
    one.expect_connected()
    one.mark()
    expect(found).to_have_text(["banana", "blackberry"])
    expect(one.page.get_by_label("Fruit")).to_have_value("b")
    one.page.get_by_label("Fruit").fill("c")
    one.click("First page")
    expect(found).to_have_text(["apricot", "avocado", "blackberry"])
    one.check()


@pytest.mark.parametrize("ending", ENDINGS)
def test_two_tabs_count_for_themselves(fleet, window, ending):
    first = window()
    second = window(beside=first)
    first.click("Add five")
    first.expect_count(5)
    second.click("Increment")
    second.expect_count(1)
    end_serving(fleet, first, ending)
    for tab, count in ((first, 6), (second, 2)):
        tab.click("Increment")
        tab.expect_count(count)
        tab.check(away=True)
