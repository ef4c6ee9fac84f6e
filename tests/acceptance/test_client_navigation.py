"""From page to page without the browser loading one: links, the view's wishes, back and forward."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.live_site.serving import connected, open_live, serve
from tests.live_site.wire import Wire
from tests.servers.waiting import wait_until


@pytest.fixture
def page(chromium: Chromium, url: str) -> Iterator[Page]:
    """The first page, marked so that a loading by the browser would show, with one socket for all."""
    opened = chromium.page(url)
    bad = complaints(opened)
    opened.goto("/")
    connected(opened)
    opened.evaluate("window.isFirstDocument = true")
    yield opened
    # The browser itself says what it could not load.
    assert [text for text in bad if not re.search(r"net::ERR_|Failed to load resource", text)] == []
    opened.context.close()


def follow(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()


def expect_page(page: Page, heading: str, path: str) -> None:
    expect(page.locator("h1")).to_have_text(heading)
    expect(page).to_have_url(re.compile(re.escape(path) + "$"))
    connected(page)


def was_loaded(page: Page) -> bool:
    return not page.evaluate("window.isFirstDocument === true")


def test_links_back_and_forward_to_the_first_entry(page: Page) -> None:
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.get_by_role("button", name="Increment", exact=True).click()
    expect(page.locator("#count")).to_have_text("1")
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    expect(page).to_have_title("Search, page 1")
    follow(page, "Next page")
    expect(page.locator("#state")).to_have_text("/2")
    expect(page).to_have_url(re.compile(r"/search/\?q=&page=2$"))
    expect(page).to_have_title("Search, page 2")
    follow(page, "Item 3")
    expect_page(page, "Item 3", "/items/3/")
    expect(page).to_have_title("Item 3")
    page.get_by_role("button", name="Like").click()
    expect(page.locator("#likes")).to_have_text("1")

    page.go_back()
    expect_page(page, "Search", "/search/?q=&page=2")
    expect(page.locator("#state")).to_have_text("/2")
    page.go_back()
    expect(page.locator("#state")).to_have_text("/1")
    expect_page(page, "Search", "/search/")
    page.go_back()
    expect_page(page, "Home", "/")
    page.get_by_role("button", name="Increment", exact=True).click()
    expect(page.locator("#count")).to_have_text("1")
    page.go_forward()
    expect_page(page, "Search", "/search/")
    page.go_forward()
    expect(page.locator("#state")).to_have_text("/2")
    page.go_forward()
    expect_page(page, "Item 3", "/items/3/")
    assert not was_loaded(page)
    assert sockets == []


def test_deep_links_and_reload(page: Page) -> None:
    page.goto("/search/?q=deep&page=4")
    expect(page.locator("#state")).to_have_text("deep/4")
    connected(page)
    follow(page, "Next page")
    expect(page.locator("#state")).to_have_text("deep/5")
    page.reload()
    expect(page.locator("#state")).to_have_text("deep/5")
    connected(page)


def test_another_page_of_the_same_view(page: Page) -> None:
    follow(page, "Item 1")
    expect_page(page, "Item 1", "/items/1/")
    page.get_by_label("Note").fill("about one")
    follow(page, "Item 2")
    expect_page(page, "Item 2", "/items/2/")
    expect(page.get_by_label("Note")).to_have_value("")
    expect(page.get_by_label("Filter of the menu")).to_have_value("")
    assert not was_loaded(page)


def test_a_patch_that_leads_to_another_view(page: Page) -> None:
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    follow(page, "Item 4")
    expect_page(page, "Item 4", "/items/4/")
    page.go_back()
    expect_page(page, "Search", "/search/")
    assert not was_loaded(page)


def test_the_view_patches_and_replaces(page: Page) -> None:
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    page.get_by_label("Query").fill("nuts & bolts")
    page.keyboard.press("Tab")
    expect(page.locator("#state")).to_have_text("nuts & bolts/1")
    expect(page).to_have_url(re.compile(r"\?q=nuts\+%26\+bolts$"))
    page.get_by_role("button", name="Replace").click()
    expect(page.locator("#state")).to_have_text("replaced/1")
    expect(page).to_have_url(re.compile(r"\?q=replaced$"))
    page.go_back()
    expect(page.locator("#state")).to_have_text("/1")
    expect(page).to_have_url(re.compile(r"/search/$"))
    expect(page.get_by_label("Query")).to_have_value("")


def test_the_view_redirects_with_a_message(page: Page) -> None:
    page.get_by_role("button", name="Go to item 7").click()
    expect_page(page, "Item 7", "/items/7/")
    expect(page.locator(".message")).to_have_text("You were sent to item 7.")
    page.go_back()
    expect_page(page, "Home", "/")
    expect(page.locator(".message")).to_have_count(0)
    assert not was_loaded(page)


def test_a_page_without_a_view_and_back(page: Page) -> None:
    follow(page, "About")
    expect(page.locator("h1")).to_have_text("About")
    expect(page.locator("body")).not_to_have_class(re.compile("dj-"))
    follow(page, "Tasks")
    expect_page(page, "Tasks", "/tasks/")
    assert not was_loaded(page)


def test_the_browser_loads_what_is_no_such_page(page: Page) -> None:
    follow(page, "Report")
    expect(page.locator("h1")).to_have_text("Report")
    assert was_loaded(page)
    page.go_back()
    expect_page(page, "Home", "/")


def test_modified_clicks_are_the_browsers(page: Page) -> None:
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Tasks", exact=True).click(modifiers=["Control"])
    expect(opened.value.locator("h1")).to_have_text("Tasks")
    expect(page.locator("h1")).to_have_text("Home")


def test_the_current_link_says_so(page: Page) -> None:
    current = page.locator("nav [aria-current=page]")
    expect(current).to_have_text("Home")
    follow(page, "Search")
    expect(current).to_have_text("Search")
    follow(page, "Next page")
    expect(page.locator("#state")).to_have_text("/2")
    expect(current).to_have_text("Search")
    page.go_back()
    page.go_back()
    expect(current).to_have_text("Home")


def test_a_later_navigation_overtakes(page: Page) -> None:
    held: list[Route] = []
    page.route("**/tasks/", lambda route: held.insert(0, route))
    follow(page, "Tasks")
    wait_until(lambda: page.evaluate("true") and held, what="the request")
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    for route in held:
        route.continue_()
    follow(page, "Next page")
    expect(page.locator("#state")).to_have_text("/2")
    expect(page.locator("h1")).to_have_text("Search")
    page.go_back()
    page.go_back()
    expect_page(page, "Home", "/")


def test_scroll_positions_are_restored(page: Page) -> None:
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    page.evaluate("scrollTo(0, 700)")
    # Playwright would scroll to what it clicks.
    page.evaluate("document.querySelector('#item').click()")
    expect_page(page, "Item 3", "/items/3/")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect_page(page, "Search", "/search/")
    wait_until(lambda: page.evaluate("scrollY") == 700, what="the position")
    page.reload()
    connected(page)
    wait_until(lambda: page.evaluate("scrollY") == 700, what="the position after a reload")


@pytest.fixture
def wire(page: Page) -> Wire:
    """The page with a wire that can be cut."""
    made = Wire(page)
    page.reload()
    connected(page)
    page.evaluate("window.isFirstDocument = true")
    return made


def cut(wire: Wire) -> None:
    """Make everything unreachable."""
    wire.is_cut = True
    wire.page.route("**/tasks/", lambda route: route.abort())
    wire.close(1011)
    expect(wire.page.locator("body")).to_have_class("dj-disconnected")


def test_a_page_that_cannot_be_fetched_can_be_tried_again(page: Page, wire: Wire) -> None:
    cut(wire)
    follow(page, "Tasks")
    expect(page.locator(".dj-banner")).to_contain_text("The page could not be loaded.")
    expect(page.locator("h1")).to_have_text("Home")
    wire.is_cut = False
    page.unroute("**/tasks/")
    page.get_by_role("button", name="Try again").click()
    expect_page(page, "Tasks", "/tasks/")
    expect(page.locator(".dj-banner")).to_be_empty()
    assert not was_loaded(page)


def test_going_back_without_a_connection_is_made_up_for(page: Page, wire: Wire) -> None:
    follow(page, "Tasks")
    expect_page(page, "Tasks", "/tasks/")
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    cut(wire)
    page.go_back()
    expect(page.locator(".dj-banner")).to_contain_text("The page could not be loaded.")
    wire.is_cut = False
    page.unroute("**/tasks/")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect_page(page, "Tasks", "/tasks/")
    assert not was_loaded(page)


def test_a_server_that_is_being_restarted_costs_no_page(page: Page, wire: Wire) -> None:
    wire.is_cut = True
    page.route("**/tasks/", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>502</h1>"))
    wire.close(1012)
    expect(page.locator("body")).to_have_class("dj-disconnected")
    follow(page, "Tasks")
    expect(page.locator(".dj-banner")).to_contain_text("The page could not be loaded.")
    expect(page.locator("h1")).to_have_text("Home")


def test_another_site_is_the_browsers(page: Page, url: str) -> None:
    with serve() as other:
        page.evaluate("(url) => void djust.navigate(url)", f"{other.url}/search/")
        expect(page).to_have_url(f"{other.url}/search/")
        page.go_back()
        expect_page(page, "Home", "/")


def test_another_site_is_the_browsers_even_behind_a_redirect(chromium: Chromium, url: str) -> None:
    # The browser complains of the redirect before the script can do anything about it.
    page = chromium.page(url)
    wire = Wire(page)
    with serve() as other:
        for state in ("connected", "expired"):
            page.goto("/")
            connected(page)
            if state == "expired":
                wire.close(4404, "expired")
                expect(page.locator("body")).to_have_class("dj-disconnected")
            page.evaluate("(url) => void djust.navigate(url)", f"/out/?to={other.url}/search/")
            expect(page).to_have_url(f"{other.url}/search/")
    page.context.close()


def test_a_patch_to_another_site_is_the_browsers(page: Page) -> None:
    with serve() as other:
        page.evaluate(
            "(url) => document.querySelector('#ignored').innerHTML = `<a dj-patch='${url}'>Out</a>`", other.url
        )
        page.get_by_text("Out", exact=True).click()
        expect(page).to_have_url(f"{other.url}/")
        page.go_back()
        expect_page(page, "Home", "/")


def test_the_language_of_the_page(page: Page) -> None:
    def answer(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=response.text().replace('lang="en"', 'lang="de"'))

    page.route("**/tasks/", answer)
    follow(page, "Tasks")
    expect_page(page, "Tasks", "/tasks/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert not was_loaded(page)


HOSTILE = """<script src="/static/djust/live.js" data-djust='{"url": "/ws/live/"}'></script><h1>Hostile</h1>"""


def test_a_text_that_looks_like_a_page_is_none(page: Page) -> None:
    def answer(route: Route) -> None:
        route.fulfill(content_type="text/plain", body=HOSTILE)

    page.route("**/tasks/", answer)
    follow(page, "Tasks")
    expect(page.locator("pre")).to_have_text(HOSTILE)
    assert was_loaded(page)


def test_a_file_to_save_is_no_page(page: Page) -> None:
    def answer(route: Route) -> None:
        headers = {"Content-Type": "text/html", "Content-Disposition": "attachment; filename=list.html"}
        route.fulfill(headers=headers, body=HOSTILE)

    page.route("**/tasks/", answer)
    with page.expect_download() as download:
        follow(page, "Tasks")
    assert download.value.suggested_filename == "list.html"
    expect(page.locator("h1")).to_have_text("Home")


def test_marks_in_a_page(page: Page) -> None:
    follow(page, "Search")
    expect_page(page, "Search", "/search/")
    page.evaluate("scrollTo(0, 400)")
    page.evaluate("location.hash = 'next'")
    below = page.evaluate("scrollY")
    assert below > 400
    page.go_back()
    wait_until(lambda: page.evaluate("scrollY") == 400, what="the position before")
    page.go_forward()
    wait_until(lambda: page.evaluate("scrollY") == below, what="the position of the mark")
    expect(page.locator("h1")).to_have_text("Search")
    page.evaluate("djust.push('replace', {value: 'after'})")
    expect(page.locator("#state")).to_have_text("after/1")


def test_a_page_that_brings_scripts_is_loaded_by_the_browser(page: Page) -> None:
    follow(page, "Chart")
    expect_page(page, "Chart", "/chart/")
    assert was_loaded(page)
    expect(page.locator("html")).to_have_attribute("data-chart", "drawn")
    page.evaluate("window.isFirstDocument = true")
    follow(page, "Tasks")
    expect_page(page, "Tasks", "/tasks/")
    follow(page, "Chart")
    expect_page(page, "Chart", "/chart/")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#points")).to_have_text("1")
    assert not was_loaded(page)


def test_two_pages_meet_in_a_room(chromium: Chromium, url: str) -> None:
    first, second = (open_live(chromium, url, "/room/") for _ in range(2))
    second.get_by_label("Text").fill("being typed")
    first.get_by_label("Text").fill("Hello")
    first.keyboard.press("Enter")
    for page in (first, second):
        expect(page.locator("#lines li")).to_have_text(["Hello"])
    expect(second.get_by_label("Text")).to_have_value("being typed")
    expect(first.get_by_label("Text")).to_have_value("")
    for page in (first, second):
        page.context.close()
