"""A page in a real browser behind nginx: servers end, networks go, logins and sessions end, releases change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from playwright.sync_api import expect

from tests.acceptance.admin_browser import AdminBrowser
from tests.acceptance.chromium import Chromium
from tests.acceptance.live_browser import ENDINGS, Window, end_serving
from tests.acceptance.live_fleet import WHO, Fleet
from tests.servers.waiting import wait_until

Open = Callable[..., Window]


@pytest.fixture
def window(chromium: Chromium, fleet: Fleet) -> Iterator[Open]:
    """Open a page: ``window("/form/")``; with ``beside=another`` in the same browser, with ``login`` as somebody."""
    opened: list[Window] = []

    def start(path: str = "/", *, beside: Window | None = None, login: object = None) -> Window:
        page = chromium.page(fleet.url, login=login) if beside is None else beside.page.context.new_page()
        opened.append(Window(page, path))
        return opened[-1]

    yield start
    for one in opened:
        one.page.context.close()


def fill_in(window: Window) -> None:
    """Give the form values that only the browser has."""
    page = window.page
    page.get_by_label("Name").fill("Ada")
    page.get_by_label("Note").fill("first line\nsecond")
    page.get_by_label("Urgent").check()
    page.get_by_label("Colour").select_option("green")


def expect_filled_in(window: Window) -> None:
    """Wait until the form shows them."""
    page = window.page
    expect(page.get_by_label("Name")).to_have_value("Ada")
    expect(page.get_by_label("Note")).to_have_value("first line\nsecond")
    expect(page.get_by_label("Urgent")).to_be_checked()
    expect(page.get_by_label("Colour")).to_have_value("green")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_page_survives_one_server_after_the_other(fleet, window, ending):
    form = window("/form/")
    form.click("Count")
    form.expect_count(1)
    fill_in(form)
    served_by = [form.pid]
    for count in (2, 3):
        end_serving(fleet, form, ending)
        form.click("Count")
        form.expect_count(count)
        served_by.append(form.pid)
        expect_filled_in(form)
    assert len(set(served_by)) == 3
    form.click("Send")
    expect(form.page.locator("#sent li")).to_have_text(["colour=green, name=Ada, note=first line second, urgent=on"])
    form.check(away=True)


def test_a_page_waits_until_there_is_a_server_again(fleet, window):
    counter = window()
    counter.click("Count")
    counter.expect_count(1)
    for server in fleet.servers:
        server.kill()
    counter.expect_disconnected()
    expect(counter.page.locator("body")).not_to_have_class(re.compile("dj-connected"))
    counter.click("Count")
    counter.click("Count")
    fleet.mend()
    counter.expect_count(3)
    counter.expect_connected()
    expect(counter.page.locator(".dj-banner")).to_have_text("")
    counter.check(away=True)


def test_a_page_shows_what_a_redis_knows_that_lost_something(fleet, window):
    counter = window()
    counter.click("Count")
    counter.expect_count(1)
    snapshot = fleet.take_snapshot()
    counter.click("Count")
    counter.expect_count(2)
    fleet.go_back(snapshot)
    counter.expect_count(1)
    counter.click("Count")
    counter.expect_count(2)
    counter.check()


def test_offline_and_online(fleet, window):
    counter = window()
    counter.click("Count")
    counter.expect_count(1)
    context = counter.page.context
    context.set_offline(True)
    # Chromium keeps an open socket when it is told to be offline; a network does not.
    end_serving(fleet, counter, "SIGKILL")
    counter.expect_disconnected()
    counter.click("Count")
    counter.expect_count(1)
    context.set_offline(False)
    counter.expect_count(2)
    counter.expect_connected()
    counter.check(away=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_second_tab_and_a_tab_opened_from_it_have_states_of_their_own(fleet, window, ending):
    first = window()
    first.click("Count")
    first.expect_count(1)
    second = window(beside=first)
    second.expect_count(0)
    # What duplicating a tab does: the new one has the other's history and session storage.
    with first.page.context.expect_page() as opened:
        first.page.evaluate("window.open(location.href)")
    copy = opened.value
    expect(copy.locator("body.dj-connected")).to_have_count(1)
    expect(copy.locator("#count")).to_have_text("0")
    copy.get_by_role("button", name="Count").click()
    expect(copy.locator("#count")).to_have_text("1")
    end_serving(fleet, first, ending)
    first.click("Count")
    first.expect_count(2)
    second.click("Count")
    second.expect_count(1)
    for tab in (first, second):
        tab.check(away=True)


def test_a_reload_and_a_deep_link_start_afresh(window):
    counter = window("/?from=elsewhere")
    counter.click("Count")
    counter.expect_count(1)
    counter.page.reload()
    counter.expect_connected()
    counter.mark()
    counter.expect_count(0)
    counter.click("Count")
    counter.expect_count(1)
    assert counter.path == "/?from=elsewhere"
    counter.check()


def test_a_logout_in_another_tab_reloads_the_page_as_nobody(fleet, window, chromium):
    one = window(login=chromium.sign_in(fleet.url, *WHO))
    one.click("Count")
    one.expect_count(1)
    other = one.page.context.new_page()
    other.goto("/admin/")
    with one.page.expect_navigation():
        other.get_by_role("button", name="Log out").click()
    one.expect_connected()
    one.expect_count(0)
    one.click("Count")
    one.expect_count(1)
    assert one.bad == []


def test_a_session_that_an_admin_ends_offers_a_fresh_start(fleet, window):
    form = window("/form/")
    form.click("Count")
    form.expect_count(1)
    fill_in(form)
    with closing(fleet.store()) as store:
        key = max(store.iter_sessions(), key=lambda info: info.created_at).key
    admin = AdminBrowser(fleet.url, *WHO)
    found = admin.post("/admin/djust/livesession/", {"by": "key", "q": key}).text
    [end] = set(re.findall(r'href="(/admin/djust/livesession/session/[^"]+/end/)"', found))
    admin.post(end, {})
    banner = form.page.locator(".dj-banner")
    expect(banner).to_contain_text("This page was ended.")
    form.click("Count")
    form.expect_count(1)
    banner.get_by_role("button", name="Start again").click()
    form.expect_count(0)
    form.expect_connected()
    expect(banner).to_have_text("")
    expect_filled_in(form)
    form.click("Count")
    form.expect_count(1)
    form.check()


def test_a_release_with_other_fields_starts_afresh_and_keeps_what_was_filled_in(fleet, window):
    form = window("/form/")
    form.click("Count")
    form.expect_count(1)
    expect(form.page.locator("#release")).to_have_text("1")
    fill_in(form)
    with ExitStack() as stack:
        new = fleet.another(stack, RELEASE="2")
        stack.callback(fleet.nginx.reload, [server.port for server in fleet.servers])
        fleet.nginx.reload([new.port])
        end_serving(fleet, form, "SIGTERM")
        expect(form.page.locator("#release")).to_have_text("2")
        form.expect_connected()
        expect_filled_in(form)
        form.expect_count(0)
        form.click("Count")
        form.expect_count(1)
        expect_filled_in(form)
        form.click("Send")
        expect(form.page.locator("#sent li")).to_have_text(
            ["colour=green, name=Ada, note=first line second, urgent=on"]
        )
        form.check(away=True)
        form.page.close()
    # nginx takes the others again for the tests that follow.
    pids = {server.process.pid for server in fleet.servers}
    wait_until(lambda: fleet.nginx_serves() in pids, what="the old upstream")
