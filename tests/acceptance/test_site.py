"""The example site over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import redis

from tests.acceptance.conftest import EXAMPLE
from tests.servers.process import child_environment
from tests.servers.waiting import wait_until


class Browser:
    """A visitor with cookies."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, follow_redirects=True, timeout=30)

    def look(self) -> httpx.Response:
        """Open the page."""
        return self.client.get("/")

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Submit a form."""
        return self.client.post(path, data={**fields, "csrfmiddlewaretoken": self.client.cookies["csrftoken"]})

    def start(self) -> httpx.Response:
        """Begin a list."""
        self.look()
        return self.send("/start/", destination="Lisbon", kind="beach", nights="3")


def version(page: httpx.Response) -> str:
    """Return the version of the list on the page."""
    return re.search(r'data-version="(\d+)"', page.text).group(1)


@pytest.fixture
def browser(site) -> Iterator[Browser]:
    """A visitor of a running site."""
    browser = Browser(site().web().url)
    with browser.client:
        yield browser


def test_a_list_stays_until_it_is_thrown_away(browser):
    page = browser.start()
    assert "Swimsuit" in page.text
    page = browser.send("/add/", version=version(page), name="Chess <set>", group="Gear")
    assert page.status_code == 200
    assert "Chess &lt;set&gt;" in browser.look().text
    item = re.search(r'data-item="(\w+)" data-packed="0"', page.text).group(1)
    page = browser.send("/pack/", version=version(page), item=item, packed="on")
    assert f'data-item="{item}" data-packed="1"' in page.text
    page = browser.send("/remove/", version=version(page), item=item)
    assert item not in page.text
    assert "Where are you going?" in browser.send("/discard/").text


def test_a_list_is_there_on_every_server_and_after_a_restart(site):
    made = site()
    servers = [made.web(), made.web()]
    browser = Browser(servers[0].url)
    assert "Swimsuit" in browser.start().text
    # Cookies belong to a host, whatever its port.
    browser.client.base_url = servers[1].url
    page = browser.look()
    assert "Swimsuit" in page.text
    browser.send("/add/", version=version(page), name="Chess", group="Gear")
    servers[0].kill()
    servers[0].start()
    browser.client.base_url = servers[0].url
    assert "Chess" in browser.look().text
    browser.client.close()


def test_the_second_of_two_tabs_is_told_and_can_do_it_again(browser):
    first_tab = second_tab = browser.start()
    browser.send("/add/", version=version(first_tab), name="Camera", group="Gear")
    conflict = browser.send("/add/", version=version(second_tab), name="Kite", group="Gear")
    assert conflict.status_code == 409
    assert "Camera" in conflict.text
    assert "changed in another tab" in conflict.text
    again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', conflict.text.split("trip")[0]))
    assert again["name"] == "Kite"
    page = browser.send("/add/", **{name: again[name] for name in ("version", "name", "group")})
    assert page.status_code == 200
    assert "Camera" in page.text
    assert "Kite" in page.text


def test_a_change_of_a_list_that_is_gone_says_so(browser):
    page = browser.start()
    key = browser.client.cookies["packing"]
    browser.send("/discard/")
    browser.client.cookies.set("packing", key)
    gone = browser.send("/add/", version=version(page), name="Kite", group="Gear")
    assert gone.status_code == 410
    assert "no longer there" in gone.text


def test_what_cannot_be_done_is_said(browser):
    assert browser.look().status_code == 200
    assert browser.send("/start/", destination="", kind="moon", nights="0").status_code == 422
    page = browser.start()
    assert browser.send("/add/", version=version(page), name="", group="Gear").status_code == 422
    assert browser.send("/pack/", version=version(page), item="none").status_code == 422


def test_the_site_says_when_the_sessions_are_out_of_reach_and_goes_on_when_they_are_back(site, redis_server):
    state = redis_server(persist=True)
    browser = Browser(site(state=state).web().url)
    with browser.client:
        browser.start()
        state.kill()
        trouble = browser.look()
        assert trouble.status_code == 503
        assert "cannot get at your list" in trouble.text
        state.start()
        page = wait_until(lambda: (answer := browser.look()).status_code == 200 and answer, what="the site to recover")
        assert "Lisbon" in page.text


def test_the_session_says_whose_and_what_it_is(site, redis_server):
    state = redis_server()
    made = site(state=state)
    made.manage(
        "createsuperuser",
        "--no-input",
        "--username",
        "ada",
        "--email",
        "ada@example.com",
        env={"DJANGO_SUPERUSER_PASSWORD": "lovelace-1843"},
    )
    browser = Browser(made.web().url)
    with browser.client:
        browser.client.get("/admin/login/")
        browser.send("/admin/login/?next=/", username="ada", password="lovelace-1843")
        browser.start()
    code = "from djust.state_backend import get_backend as b;print(*[(s.owner, s.label) for s in b().iter_sessions()])"
    assert made.manage("shell", "--verbosity", "0", "-c", code).strip() == "('1', 'packing.views.show')"


def test_visitors_come_and_go_and_find_their_lists(site, tmp_path):
    url = site(SESSION_TTL="3", ACCESS_LOG="0").web().url
    summary = tmp_path / "summary.json"
    with subprocess.Popen(
        [sys.executable, "simulator.py", url, "--ttl", "3", "--rate", "10", "--summary", str(summary)],
        cwd=EXAMPLE,
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as visitors:
        seen = visitors.stdout.readline()
        visitors.terminate()
        assert visitors.wait(timeout=30) == 0, seen
    tally = json.loads(summary.read_text())
    assert tally["found_as_left"] > 0
    assert (tally["lost"], tally["changed"], tally["errors"]) == (0, 0, 0)
    assert tally["came_back"] == tally["found_as_left"] + tally["found_expired"]


def test_visitors_notice_that_their_lists_are_lost(site, redis_server):
    """Or the demo would pass with a store that forgets."""
    state = redis_server()
    url = site(state=state, SESSION_TTL="3", ACCESS_LOG="0").web().url
    with (
        subprocess.Popen(
            [sys.executable, "simulator.py", url, "--ttl", "3", "--rate", "10"],
            cwd=EXAMPLE,
            env=child_environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as visitors,
        redis.Redis.from_url(state.url) as client,
    ):
        wait_until(lambda: client.dbsize() > 20)
        state.flush()
        # They say every few seconds how they fare.
        assert any(re.search(r"[1-9]\d* lost", line) for line in visitors.stdout)
        visitors.terminate()
        visitors.stdout.read()
        assert visitors.wait(timeout=30) == 1


def test_the_site_keeps_its_tables_in_postgresql(site, postgres):
    made = site(DATABASE_URL=postgres.create_database("site"))
    assert "[X] 0001_initial" in made.manage("showmigrations", "django_celery_beat")
    assert httpx.get(made.web().url + "/admin/login/").status_code == 200
