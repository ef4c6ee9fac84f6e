"""The example site in a real browser: by keyboard, on a phone, without scripts, by two people, while a server ends."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.chromium import PHONE, complaints
from tests.servers.nginx_server import NginxServer


@pytest.fixture
def url(site) -> str:
    """Where a running site is."""
    return site().web().url


def is_live(page: Page) -> None:
    """Wait until a page is connected."""
    expect(page.locator("body.dj-connected")).to_have_count(1)


def make_trip(page: Page) -> str:
    """Make a trip on the start page, and return its address."""
    page.goto("/")
    page.get_by_label("Destination").fill("Lisbon")
    page.get_by_role("button", name="Make my list").click()
    expect(page.get_by_text("Your list for Lisbon is ready.")).to_be_visible()
    is_live(page)
    return page.url


def test_a_person_plans_and_packs_by_keyboard_on_a_dark_phone(chromium, url):
    page = chromium.page(url, viewport=PHONE, color_scheme="dark")
    bad = complaints(page)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.get_by_role("link", name="Plan it step by step").press("Enter")
    expect(page.get_by_role("heading", name="Where are you going?")).to_be_visible()
    expect(page).to_have_title("Plan a trip")
    page.get_by_label("Destination").press("Enter")
    expect(page.locator("#id_destination_error")).to_be_visible()
    expect(page.get_by_label("Destination")).to_be_focused()
    page.keyboard.type("Oslo")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="How long?")).to_be_focused()
    for key in ("Tab", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="What will it be like?")).to_be_focused()
    # The radio buttons are one stop, with arrows between them.
    for key in ("Tab", "ArrowRight", "Tab", "Space", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Your list")).to_be_focused()
    expect(page.get_by_text("Oslo, 5 nights.")).to_be_visible()
    goggles = page.get_by_role("button", name="Goggles")
    goggles.press("Space")
    expect(goggles).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Make a list").press("Enter")
    expect(page.get_by_text("All planned")).to_be_visible()
    is_live(page)
    tick = page.get_by_role("button", name="Passport", exact=True)
    tick.press("Space")
    expect(tick).to_have_attribute("aria-pressed", "true")
    expect(tick).to_be_focused()
    page.get_by_role("button", name="Edit Passport").press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("s")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit Passport")).to_be_focused()
    page.get_by_role("button", name="Take Passport off the list").press("Enter")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(tick).to_be_focused()
    for path in ("/accounts/sign-in/", "/accounts/sign-up/"):
        page.goto(path)
    assert bad == []


def test_back_and_forward_lead_through_steps_filters_and_pages(chromium, url):
    page = chromium.page(url)
    bad = complaints(page)
    trip = make_trip(page)
    page.get_by_role("link", name="Packed").click()
    expect(page.get_by_text("Nothing is packed here yet.")).to_be_visible()
    page.get_by_label("Group to show").select_option("Papers")
    page.wait_for_url(f"{trip}?show=packed&group=Papers")
    page.get_by_role("link", name="Packing list").click()
    page.get_by_role("link", name="Plan it step by step").click()
    expect(page).to_have_title("Plan a trip")
    page.get_by_label("Destination").fill("Oslo")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="How long?")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Destination")).to_have_value("Oslo")
    page.go_back()
    expect(page.get_by_role("heading", name="Your trips")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Group to show")).to_have_value("Papers")
    page.go_back()
    expect(page.get_by_label("Group to show")).to_have_value("")
    page.go_forward()
    expect(page.get_by_label("Group to show")).to_have_value("Papers")
    assert bad == []


def test_two_people_pack_while_their_servers_end(chromium, site):
    made = site()
    with ExitStack() as stack:
        servers = [made.web() for _ in range(3)]
        nginx = stack.enter_context(NginxServer([server.port for server in servers]))
        ada, ben = chromium.page(nginx.url), chromium.page(nginx.url, viewport=PHONE)
        ben.goto(make_trip(ada))
        for page in (ada, ben):
            is_live(page)
            page.evaluate("window.sameDocument = true")
        expect(ada.get_by_text("Somebody else is looking too.")).to_be_visible()
        expect(ben.get_by_text("Somebody else is looking too.")).to_be_visible()
        ada.get_by_label("What to add").fill("Half a wo")
        ben.get_by_role("button", name="Edit Passport").click()
        ben.get_by_label("Name").fill("Passports of")
        for server in servers:
            server.kill()
            server.start()
        ada.get_by_role("button", name="Tickets", exact=True).click()
        expect(ben.get_by_role("button", name="Tickets", exact=True)).to_have_attribute("aria-pressed", "true")
        expect(ben.get_by_label("Name")).to_have_value("Passports of")
        expect(ada.get_by_label("What to add")).to_have_value("Half a wo")
        ben.get_by_label("Name").fill("Passports of all")
        ben.get_by_role("button", name="Save").click()
        expect(ada.get_by_role("button", name="Passports of all", exact=True)).to_be_visible()
        for page in (ada, ben):
            assert page.evaluate("window.sameDocument")
        ada.on("dialog", lambda dialog: dialog.accept())
        ada.get_by_role("button", name="Throw the list away").click()
        expect(ada.get_by_text("The list for Lisbon is gone.")).to_be_visible()
        expect(ben.get_by_role("heading", name="This list was thrown away")).to_be_visible()


def test_pages_fit_a_phone_and_show_their_content_without_scripts(chromium, url):
    trip = make_trip(chromium.page(url))
    page = chromium.page(url, viewport=PHONE, java_script_enabled=False)
    for path, words in (
        (trip, "Passport"),
        ("/", "Where are you going?"),
        ("/plan/", "Step 1 of 4"),
        ("/accounts/sign-in/", "You need no account to pack."),
        ("/accounts/sign-up/", "A name and a password"),
        ("/trips/none/", "There is nothing here"),
    ):
        page.goto(path)
        expect(page.get_by_text(words).first).to_be_visible()
        widest = page.locator("body").evaluate("() => document.documentElement.scrollWidth")
        assert widest <= PHONE["width"], path
