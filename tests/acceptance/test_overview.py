"""The overview in a real browser: an alert fires and is acknowledged, schedules are changed, sessions ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page, Route, expect

from tests.acceptance.chromium import PHONE, Chromium, complaints
from tests.acceptance.conftest import Site, make_site
from tests.acceptance.support import CLEAN_UP, SAMPLE, history, query
from tests.servers import binaries
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

OVERVIEW = "/admin/djust/overview/"
CHECK = "djust: check evictions"
#: Sets up an admin, lets sampling and checking run every second, and stores some sessions.
PREPARE = f"""
from django.contrib.auth.models import User
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from djust.state_backend import get_backend
User.objects.create_superuser("ada", "a@b.example", "pw")
second = IntervalSchedule.objects.create(every=1, period="seconds")
PeriodicTask.objects.update(enabled=False)
PeriodicTask.objects.filter(name__in={[SAMPLE, CHECK]!r}).update(interval=second, enabled=True)
PeriodicTasks.update_changed()
for number in range(20):
    get_backend().set(f"visitor-{{number}}", {{}}, ttl=86_400, owner=f"user-{{number % 5}}", label="/packing/")
"""
#: More than the server has room for.
FILL = """
import os
from djust.state_backend import get_backend
for number in range(900):
    get_backend().set(f"crowd-{number}", {"blob": os.urandom(8000)}, label="/crowd/")
"""


class Running(NamedTuple):
    """What all tests of this module share. Each works on its own page."""

    site: Site
    url: str
    chromium: Chromium
    login: Any

    def open(self, path: str = OVERVIEW, **options: Any) -> Page:
        """Open a page as the admin."""
        page = self.chromium.page(self.url, login=self.login, **options)
        page.goto(path)
        return page


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A site with a small state server, worker and beat, after its first samples and its first alert."""
    with ExitStack() as stack:
        state = stack.enter_context(RedisServer(binaries.redis7(), maxmemory="6mb", policy="volatile-ttl"))
        broker = stack.enter_context(RedisServer(binaries.redis7()))
        directory: Path = tmp_path_factory.mktemp("overview")
        site = make_site(stack, directory, state=state, broker=broker)
        site.manage("shell", "-c", PREPARE)
        web = site.web()
        site.worker(concurrency=2)
        site.beat()
        wait_until(lambda: history(site, task="check_evictions", outcome="done"), what="a check before")
        site.manage("shell", "-c", FILL)
        chromium = stack.enter_context(Chromium())
        login = chromium.sign_in(web.url, "ada", "pw")
        wait_until(lambda: alerts(site, "sessions_lost") == ["firing"], what="the alert to fire")
        yield Running(site, web.url, chromium, login)


def alerts(site: Site, rule: str) -> list[str]:
    """Return the states of the open alerts of a rule."""
    rows = query(site, "SELECT state FROM djust_alert WHERE rule = ? AND state != 'resolved'", rule)
    return [state for (state,) in rows]


def enabled(site: Site, name: str) -> bool:
    """Return whether a schedule is on."""
    [(value,)] = query(site, "SELECT enabled FROM django_celery_beat_periodictask WHERE name = ?", name)
    return bool(value)


def drawn(page: Page) -> None:
    """Wait until the charts are drawn."""
    page.locator("html[data-djust-drawn]").wait_for(state="attached")


def test_the_whole_path(running: Running) -> None:
    site, page = running.site, running.open()
    wrong = complaints(page)
    page.reload()
    drawn(page)
    expect(page.locator(".djust-verdict-trouble")).to_be_visible()
    alert = page.get_by_role("article", name=re.compile("Sessions lost"))
    expect(alert).to_contain_text("What to do:")
    expect(alert).to_contain_text("critical")
    alert.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged: Sessions lost")).to_be_visible()
    expect(alert).to_contain_text("acknowledged by ada")
    expect(alert.get_by_role("button", name="Acknowledge")).to_have_count(0)
    assert alerts(site, "sessions_lost") == ["acknowledged"]

    switch = page.get_by_role("switch", name=SAMPLE)
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.click()
    expect(page.get_by_text(f"Turned off: {SAMPLE}")).to_be_visible()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert not enabled(site, SAMPLE)
    assert page.url.endswith("#djust-schedules")
    expect(switch).to_be_in_viewport()
    expect(page.get_by_text(f"Turned off: {SAMPLE}")).to_be_in_viewport()
    # Beat has obeyed when it has checked more often than it could in between without sampling.
    wait_until(lambda: _checks_since_last_sample(site) >= 3, what="beat to stop sampling")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    wait_until(lambda: _checks_since_last_sample(site) == 0, what="beat to sample again")

    page.get_by_role("button", name=f"Run now {CLEAN_UP}").click()
    expect(page.get_by_text("Queued: clean up expired sessions")).to_be_visible()
    wait_until(lambda: history(site, task="cleanup", trigger="admin", outcome="done"), what="the run by hand")
    page.reload()
    row = page.get_by_role("row").filter(has_text=CLEAN_UP)
    expect(row).to_contain_text("done")
    drawn(page)
    assert wrong == []

    page.get_by_role("link", name="Live sessions").first.click()
    page.get_by_label("Exactly this text").fill("user-3")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="Show all")).to_be_visible()
    page.locator("#content-main").get_by_role("rowheader").get_by_role("link").first.click()
    page.get_by_role("link", name="End this session").click()
    page.get_by_role("button", name="Yes, end it").click()
    expect(page.get_by_text(re.compile(r"Ended session \w+\."))).to_be_visible()
    assert wrong == []
    [(logged,)] = query(site, "SELECT count(*) FROM django_admin_log")
    assert logged == 5


def _checks_since_last_sample(site: Site) -> int:
    tasks = [row.task for row in history(site, trigger="beat")]
    return [*reversed(tasks)].index("sample_memory")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(running: Running, scheme: Any) -> None:
    page = running.chromium.page(
        running.url, login=running.login, viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    wrong = complaints(page)
    [(alert,)] = query(running.site, "SELECT id FROM djust_alert WHERE rule = 'sessions_lost'")
    for path in (OVERVIEW, f"{OVERVIEW}?range=1y", "/admin/djust/alert/", f"/admin/djust/alert/{alert}/change/"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.url.endswith(path)
        if path.startswith(OVERVIEW):
            drawn(page)
            for summary in page.locator("details > summary").all():
                summary.click()
        width = page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)")
        assert width <= PHONE["width"], path
    assert wrong == []


def test_a_laptop_shows_every_column_of_the_lists(running: Running) -> None:
    page = running.open()
    wait_until(lambda: query(running.site, "SELECT id FROM djust_sessionloss"), what="the losses")
    for model in ("alert", "sessionloss", "memorysample", "maintenancerun"):
        page.goto(f"/admin/djust/{model}/")
        room, needed = page.locator("#changelist .results").evaluate("(list) => [list.clientWidth, list.scrollWidth]")
        assert needed <= room, model


def test_the_charts_follow_the_theme(running: Running) -> None:
    page = running.open(color_scheme="light")
    drawn(page)
    toggle = page.get_by_role("button", name=re.compile("Toggle theme")).first

    def ground() -> str:
        """Wait until the first line has the colour of the theme, and return what it is drawn on."""
        # Not by wait_for_function, which a page does not allow whose policy forbids eval.
        themed = (
            "Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor"
            " === getComputedStyle(document.documentElement).getPropertyValue('--djust-first').trim()"
        )
        wait_until(lambda: page.evaluate(themed), what="the colour of the theme")
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    by_system = ground()
    toggle.click()
    dark = ground()
    toggle.click()
    light = ground()
    assert by_system == light != dark
    toggle.click()
    page.emulate_media(color_scheme="dark")
    assert ground() == dark


def test_everything_is_reached_by_keyboard_in_the_order_of_the_page(running: Running) -> None:
    page = running.open()
    drawn(page)
    expected = page.evaluate(
        """[...document.querySelectorAll('#content-main :is(a[href], button, summary, [tabindex="0"])')]
           .filter((each) => each.checkVisibility()).map((each) => each.textContent.trim())"""
    )
    page.locator("#content-start").evaluate("(start) => { start.tabIndex = -1; start.focus(); }")
    reached = []
    for _ in expected:
        page.keyboard.press("Tab")
        text, outline = page.evaluate(
            "[document.activeElement.textContent.trim(), getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.append(text)
        assert outline != "none", text
    assert reached == expected
    levels = page.locator("h1, h2, h3, h4").evaluate_all("(all) => all.map((each) => Number(each.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    page.locator("details > summary").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details table").first).to_be_visible()


def test_the_range_is_switched_and_shown(running: Running) -> None:
    page = running.open()
    page.get_by_role("link", name="24 hours").click()
    expect(page.get_by_role("link", name="24 hours")).to_have_attribute("aria-current", "true")
    drawn(page)
    points = page.evaluate(
        "Chart.getChart(document.querySelector('[data-chart=memory] canvas')).data.datasets[0].data"
    )
    assert any(point["y"] for point in points)


def test_without_javascript_the_figures_are_tables(running: Running) -> None:
    page = running.open(java_script_enabled=False)
    expect(page.locator("canvas").first).to_be_hidden()
    for name in ("Memory", "Live sessions"):
        table = page.get_by_role("figure", name=name, exact=True).get_by_role("table")
        expect(table).to_be_visible()
        expect(table.get_by_role("cell").first).to_have_text(re.compile(r"\d"))
    expect(page.get_by_role("switch", name=CHECK)).to_be_visible()


def test_the_page_works_under_a_strict_policy(running: Running) -> None:
    page = running.chromium.page(running.url, login=running.login)
    wrong = complaints(page)

    def with_policy(route: Route) -> None:
        answer = route.fetch()
        policy = {"content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'"}
        route.fulfill(response=answer, headers={**answer.headers, **policy})

    page.route(f"**{OVERVIEW}", with_policy)
    page.goto(OVERVIEW)
    drawn(page)
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    assert box["height"] > 100
    assert wrong == []
