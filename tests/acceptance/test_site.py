"""The example site: its pages over HTTP, and its LiveViews as a browser speaks to them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest

from djust.testing.live_client import Disconnected, LiveClient
from tests.acceptance.conftest import Site
from tests.acceptance.support import query
from tests.servers.waiting import wait_until

WHERE = {"step": "where", "destination": "Lisbon", "kind": "beach"}
WHEN = {"step": "when", "nights": "3", "leaving": "2031-05-04"}
WHAT = {"step": "what", "weather": "hot", "extras": ["swim", "camera"]}


async def new_trip(url: str, cookies: dict[str, str] | None = None) -> str:
    """Make a trip on the start page, and return its path."""
    page = await LiveClient.open(url, "/", cookies)
    await page.event("start", destination="Lisbon", kind="beach", nights="3")
    assert page.navigation
    await page.leave()
    return str(page.navigation["url"])


def number_of(page: LiveClient, name: str) -> int:
    """Return the id of a thing on a list."""
    found = re.search(rf'id="tick-(\d+)"(?:(?!</button>).)*<span class="name">{name}</span>', page.html, re.DOTALL)
    assert found, page.html
    return int(found[1])


def is_packed(page: LiveClient, name: str) -> bool:
    """Whether a thing on a list is ticked."""
    return f'id="tick-{number_of(page, name)}" class="tick packed"' in page.html


async def see_each_other(*pages: LiveClient) -> None:
    """Let two pages of one list say that they look, and wait until both have heard: then their servers listen."""
    for page in pages:
        await page.event("look")
    for page in pages:
        await page.until(lambda page: "Somebody else is looking too." in page.html)


def names(site: Site) -> list[str]:
    """Return the names of all things on all lists."""
    return [name for (name,) in query(site, "SELECT name FROM packing_item WHERE removed_at IS NULL")]


# Pages over HTTP


async def test_a_browser_without_scripts_sees_the_content(site):
    url = site().web().url
    path = await new_trip(url)
    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        trip = browser.get(path)
        for words in ("Lisbon", "Beach · 3 nights", "Swimsuit", "allow JavaScript"):
            assert words in trip.text
        assert "Passport" not in browser.get(path, params={"show": "packed"}).text
        start = browser.get("/").text
        assert "Where are you going?" in start
        # Opening the link made it one of this browser's trips.
        assert "0 of 12 packed" in start
        assert "Step 1 of 4" in browser.get("/plan/").text
        assert "Sign in" in browser.get("/accounts/sign-in/").text
        assert browser.get("/trips/nobody-knows-this/").status_code == 404


async def test_no_page_allows_scripts_or_styles_in_it(site):
    url = site().web().url
    path = await new_trip(url)
    with httpx.Client(base_url=url) as browser:
        for page in ("/", "/plan/", path, "/accounts/sign-in/", "/accounts/sign-up/", "/trips/none/", "/admin/login/"):
            answer = browser.get(page)
            policy = answer.headers["Content-Security-Policy"]
            assert "script-src 'self';" in policy
            assert "unsafe" not in policy
            assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", answer.text), page


def test_a_crawler_leaves_no_django_session(site):
    made = site()
    url = made.web().url
    assert "sessionid" not in httpx.get(url).cookies
    assert query(made, "SELECT count(*) FROM django_session") == [(0,)]


# The start page


async def test_a_form_is_judged_where_somebody_has_been(site):
    url = site().web().url
    page = await LiveClient.open(url, "/")
    await page.event("check", destination="", kind="city", nights="none", _target="nights")
    assert "A number, please." in page.html
    assert 'class="errorlist" id="id_destination_error"' not in page.html
    await page.event("start", destination="", kind="city", nights="none")
    assert 'id="id_destination_error"' in page.html
    assert page.pushed == [("focus", {"id": "id_destination"})]
    assert page.navigation is None
    await page.event("start", destination="Chess <set>", kind="city", nights="2")
    assert page.navigation["kind"] == "redirect"
    trip = await LiveClient.open(url, page.navigation["url"])
    assert "<h1>Chess &lt;set&gt;</h1>" in trip.html
    assert trip.title == "Chess <set>: 0 of 12 packed"


async def test_a_visitor_finds_their_trips_and_sees_how_they_get_on(site):
    url = site().web().url
    path = await new_trip(url)
    trip = await LiveClient.open(url, path)
    start = await LiveClient.open(url, "/", trip.cookies)
    assert path in start.html
    assert "0 of 12 packed" in start.html
    await trip.event("tick", item_id=number_of(trip, "Passport"), packed=True)
    await start.until(lambda page: "1 of 12 packed" in page.html)
    await start.set("query", "nowhere")
    assert path not in start.html
    assert "No trip of yours goes to “nowhere”." in start.html
    await start.set("query", "lis")
    assert path in start.html
    stranger = await LiveClient.open(url, "/")
    assert "Your trips" not in stranger.html


async def test_trips_go_along_with_somebody_who_signs_up(site):
    made = site()
    url = made.web().url
    path = await new_trip(url)
    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        browser.get(path)
        browser.get("/accounts/sign-up/")
        account = {"username": "ada", "password1": "lovelace-1843", "password2": "lovelace-1843"}
        welcome = browser.post(
            "/accounts/sign-up/", data={**account, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        )
        assert "Welcome!" in welcome.text
        assert path in welcome.text
        page = await LiveClient.open(url, path, dict(browser.cookies))
        friend = await LiveClient.open(url, path)
        await page.event("tick", item_id=number_of(page, "Passport"), packed=True)
        await friend.until(lambda page: "ada packed Passport." in page.html)
        code = (
            "from djust.state_backend import get_backend as b;"
            "print([(s.label, s.owner) for s in b().iter_sessions() if s.label.endswith('TripPage') and s.owner])"
        )
        sessions = await asyncio.to_thread(made.manage, "shell", "--verbosity", "0", "-c", code)
        assert sessions.strip() == "[('packing.pages.trip.TripPage', '1')]"
        browser.post("/accounts/sign-out/", data={"csrfmiddlewaretoken": browser.cookies["csrftoken"]})
        # The page of a user who signs out elsewhere ends at once; that of a visitor goes on.
        assert await page.closed() == 4401
        assert friend.close_code is None


# A list


async def test_things_are_added_ticked_edited_and_removed(site):
    made = site()
    url = made.web().url
    page = await LiveClient.open(url, await new_trip(url))
    await page.event("add", name="Chess <set>", group="Gear")
    assert "Chess &lt;set&gt;" in page.html
    assert page.pushed[-1] == ("focus", {"id": "draft"})
    chess = number_of(page, "Chess &lt;set&gt;")
    await page.event("tick", item_id=chess, packed=True)
    assert is_packed(page, "Chess &lt;set&gt;")
    await page.event("edit", item_id=chess)
    await page.event("save", name="", quantity="2", group="Other")
    assert "What should go on the list?" in page.html
    await page.event("save", name="Kite", quantity="2", group="Other")
    assert number_of(page, "Kite") == chess
    await page.event("remove", item_id=chess)
    assert "Kite" not in names(made)
    assert "Took Kite off the list." in page.html
    await page.event("undo")
    assert is_packed(page, "Kite")
    assert "Took Kite" not in page.html
    await page.event("unpack")
    assert page.title == "Lisbon: 0 of 13 packed"
    await page.event("throw_away")
    assert page.navigation["url"] == "/"
    assert names(made) == []


@pytest.mark.parametrize(
    ("handler", "params"),
    [
        ("tick", {"item_id": 10_000_000, "packed": True}),
        ("remove", {"item_id": 10_000_000}),
        ("edit", {"item_id": 10_000_000}),
        ("save", {"name": "Kite"}),
        ("undo", {}),
        ("add", {"name": "  "}),
        ("add", {"name": "x" * 61}),
        ("add", {"name": "Kite", "group": "Weapons"}),
    ],
)
async def test_what_cannot_be_done_changes_nothing(site, handler, params):
    made = site()
    url = made.web().url
    page = await LiveClient.open(url, await new_trip(url))
    before = query(made, "SELECT * FROM packing_item")
    assert (await page.event(handler, **params))["t"] == "update"
    assert query(made, "SELECT * FROM packing_item") == before


async def test_a_list_is_out_of_reach_of_the_page_of_another(site):
    made = site()
    url = made.web().url
    one, other = [await LiveClient.open(url, await new_trip(url)) for _ in range(2)]
    item = number_of(other, "Passport")
    await one.event("tick", item_id=item, packed=True)
    await one.event("remove", item_id=item)
    assert query(made, f"SELECT packed, removed_at FROM packing_item WHERE id = {item}") == [(0, None)]


async def test_the_address_says_what_is_shown(site):
    url = site().web().url
    path = await new_trip(url)
    page = await LiveClient.open(url, f"{path}?show=left&group=Papers")
    assert number_of(page, "Passport")
    assert "Swimsuit" not in page.html
    await page.event("tick", item_id=number_of(page, "Passport"), packed=True)
    assert "Passport" not in page.html
    await page.patch(f"{path}?show=packed&group=Papers")
    assert number_of(page, "Passport")
    await page.event("choose_group", value="")
    assert page.navigation == {"kind": "patch", "url": f"{path}?show=packed", "replace": False}


async def test_two_see_each_other_and_what_each_changes_on_different_servers(site):
    made = site()
    first, second = made.web().url, made.web().url
    path = await new_trip(first)
    one, other = await LiveClient.open(first, path), await LiveClient.open(second, path)
    await one.set("draft", "Half a wo")
    await see_each_other(one, other)
    await one.event("tick", item_id=number_of(one, "Passport"), packed=True)
    await other.until(lambda page: "Somebody packed Passport." in page.html)
    assert is_packed(other, "Passport")
    await other.event("add", name="Kite", group="Other")
    await one.until(lambda page: "Kite" in page.html)
    assert 'value="Half a wo"' in one.html
    await other.event("look_away")
    await one.until(lambda page: "looking too" not in page.html)
    await other.event("throw_away")
    await one.until(lambda page: "This list was thrown away" in page.html)


# What it survives


async def test_the_answers_of_the_planner_outlive_its_servers(site):
    made = site()
    servers = [made.web(), made.web()]
    page = await LiveClient.open(servers[0].url, "/plan/?destination=Lisbon")
    assert 'value="Lisbon"' in page.html
    await page.event("next_step", **WHERE)
    await page.event("check", step="when", nights="21", leaving="", _target="nights")
    servers[0].kill()
    await page.closed()
    await page.reconnect(servers[1].url)
    assert "Step 2 of 4" in page.html
    assert 'name="nights" value="21"' in page.html
    await page.event("next_step", **WHEN)
    await asyncio.to_thread(servers[0].start)
    await page.reconnect(servers[0].url)
    await page.event("next_step", **WHAT)
    await page.event("choose", name="Goggles", wanted=False)
    await page.event("finish")
    trip = await LiveClient.open(servers[0].url, page.navigation["url"])
    assert "Beach · 3 nights · leaving 4 May" in trip.html
    assert {"Swimsuit", "Sunscreen", "Camera"} < set(names(made))
    assert "Goggles" not in names(made)


async def test_nobody_gets_ahead_of_the_questions(site):
    url = site().web().url
    assert httpx.get(f"{url}/plan/?step=list").headers["Location"] == "/plan/?step=where"
    page = await LiveClient.open(url, "/plan/")
    await page.patch("/plan/?step=what")
    assert page.navigation == {"kind": "patch", "url": "/plan/?step=where", "replace": True}
    await page.event("finish")
    await page.event("next_step", step="where", destination="")
    assert "Step 1 of 4" in page.html
    await page.event("next_step", **WHERE)
    # Somebody clicked twice.
    await page.event("next_step", **WHERE)
    assert 'id="id_nights_error"' not in page.html
    await page.event("next_step", **WHEN)
    # An answer that will not do any longer closes the way.
    await page.patch("/plan/?step=when")
    await page.event("check", step="when", nights="0", _target="nights")
    await page.patch("/plan/?step=what")
    assert "Step 2 of 4" in page.html


async def test_what_is_sent_again_after_a_save_that_failed_is_done_once(site, redis_server):
    """The row is written, the state is not: the event comes again, and finds the row by the key drawn before."""
    state = redis_server(persist=True)
    made = site(state=state)
    url = made.web().url
    path = await new_trip(url)
    page = await LiveClient.open(url, path)
    other = await LiveClient.open(url, path)
    await see_each_other(page, other)
    # Nothing else is under way when the store goes.
    await other.event("tick", item_id=number_of(other, "Passport"), packed=True)
    await page.until(lambda page: "Somebody packed Passport." in page.html)
    state.kill()
    with pytest.raises(Disconnected) as end:
        await page.event("add", name="Kite", group="Other")
    assert end.value.code == 1013
    assert names(made).count("Kite") == 1
    await asyncio.to_thread(state.start)
    wait_until(lambda: httpx.get(f"{url}/djust/health/").status_code == 200, what="the site to recover")
    await page.reconnect()
    assert names(made).count("Kite") == 1
    await page.event("add", name="Kite", group="Other")
    assert names(made).count("Kite") == 2


async def test_pages_are_shown_while_the_store_is_away(site, redis_server):
    state = redis_server(persist=True)
    url = site(state=state).web().url
    path = await new_trip(url)
    state.kill()
    assert "Swimsuit" in (await asyncio.to_thread(httpx.get, url + path, timeout=30)).text


async def test_the_site_keeps_its_tables_in_postgresql(site, postgres):
    made = site(DATABASE_URL=postgres.create_database("site"))
    url = made.web().url
    page = await LiveClient.open(url, await new_trip(url))
    await page.event("tick", item_id=number_of(page, "Passport"), packed=True)
    assert page.title == "Lisbon: 1 of 12 packed"
    assert "[X] 0001_initial" in made.manage("showmigrations", "packing")


def test_models_and_migrations_agree(site: Any) -> None:
    assert "No changes detected" in site().manage("makemigrations", "--check", "--dry-run")
