"""The pages of docs/live-views.md in a real browser, as a reader of the page would try them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.chromium import Chromium, complaints
from tests.integration.docs_support import PAGE, follow
from tests.live_site.serving import connected
from tests.servers.uvicorn_server import UvicornServer


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = follow(PAGE, tmp_path_factory.mktemp("docs"))
    with UvicornServer("myproject.asgi:application", cwd=folder) as server:
        yield server.url


@pytest.fixture
def page(chromium: Chromium, url: str) -> Iterator[Page]:
    """An empty page whose console must stay clean."""
    opened = chromium.page(url)
    # Browsers ask for it by themselves, and the project of the page has none.
    opened.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    bad = complaints(opened)
    yield opened
    assert bad == []
    opened.context.close()


def visit(page: Page, path: str) -> None:
    page.goto(path)
    connected(page)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_the_counter(page: Page) -> None:
    visit(page, "/")
    press(page, "+1")
    press(page, "+10")
    expect(page.locator("b")).to_have_text("11")


def test_the_search(page: Page) -> None:
    visit(page, "/people/")
    page.locator("input").press_sequentially("ad")
    expect(page.locator("p")).to_have_text("Only those with “ad”")
    expect(page.locator("input")).to_be_focused()


def test_the_booking(page: Page) -> None:
    visit(page, "/booking/")
    page.locator("input[name=day]").fill("2030-12-31")
    page.locator("input[name=seats]").fill("4, 5")
    press(page, "Book")
    expect(page.locator("p")).to_have_text("2030-12-31: 4, 5 (single)")
    page.locator("input[name=seats]").fill("many")
    press(page, "Book")
    expect(page.locator(".dj-banner")).to_have_text("book: seats must be a list of a whole number.")


def test_the_gallery(page: Page, url: str) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    visit(page, "/gallery/")
    press(page, "Next")
    expect(page).to_have_title("Gallery, page 2")
    expect(page).to_have_url(f"{url}/gallery/?page=2")
    assert said == ["turned {from: 1}"]
    page.go_back()
    expect(page.locator("p")).to_have_text("Page 1")
    press(page, "Finish")
    expect(page).to_have_url(f"{url}/people/")
    expect(page).to_have_title("People")
    connected(page)
    expect(page.locator("p")).to_have_text("You have seen it all.")


def test_the_form(page: Page) -> None:
    visit(page, "/contact/")
    page.get_by_label("Email").press_sequentially("ada")
    expect(page.locator(".errorlist")).to_have_text("Enter a valid email address.")
    page.get_by_label("Email").press_sequentially("@example.com")
    expect(page.locator(".errorlist")).to_have_count(0)
    press(page, "Send")
    expect(page.locator(".errorlist")).to_have_text("This field is required.")
    page.get_by_label("Text").fill("Good morning to all of you.")
    # What is below the error moves up when it goes.
    expect(page.locator(".errorlist")).to_have_count(0)
    press(page, "Send")
    expect(page.locator("p")).to_have_text("Thank you.")


def test_the_board(page: Page, chromium: Chromium, url: str) -> None:
    other = chromium.page(url)
    visit(other, "/board/")
    visit(page, "/board/")
    page.locator("input").fill("Hello")
    press(page, "Write")
    expect(page.locator("li")).to_have_text(["Hello"])
    expect(other.locator("li")).to_have_text(["Hello"])
    other.context.close()
