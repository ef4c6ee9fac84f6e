"""Servers that are replaced one after the other, and what one server says to the sockets of the others."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime

import httpx
import pytest

from djust.testing.live_client import Disconnected, LiveClient, NotLive
from tests.acceptance.admin_browser import AdminBrowser
from tests.acceptance.live_crowd import count_in, eventually, pid_in
from tests.acceptance.live_fleet import WHO, options, terminate

OLD, NEW = "only-for-tests", "a-new-key"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """End with the test what is entered here."""
    with ExitStack() as stack:
        yield stack


def signed_in(url: str) -> AdminBrowser:
    """Log in over HTTP."""
    return AdminBrowser(url, *WHO)


def cookies_of(browser: AdminBrowser) -> dict[str, str]:
    """Return what the browser sends along with a socket."""
    return dict(browser.client.cookies)


# Replaced


async def test_a_server_that_ends_says_so_first_and_serves_meanwhile(fleet, stack):
    seconds = 2
    server = fleet.another(stack, OPTIONS=options(DRAIN_SECONDS=seconds))
    ready = f"{server.url}/djust/health/ready/"
    client = await LiveClient.open(server.url, "/")
    assert httpx.get(ready).status_code == 200
    loop = asyncio.get_running_loop()
    told_at = loop.time()
    ending = asyncio.create_task(asyncio.to_thread(terminate, server))
    await eventually(lambda: httpx.get(ready).status_code == 503, what="health/ready/ to fail")
    # The balancer may need its time to notice.
    await client.event("increment")
    late = await LiveClient.open(server.url, "/")
    await late.event("increment")
    assert (count_in(client.html), count_in(late.html)) == (1, 1)
    assert {await client.closed(), await late.closed()} == {1012}
    assert loop.time() - told_at >= seconds
    await ending
    await client.reconnect(fleet.url)
    await client.event("increment")
    assert count_in(client.html) == 2


@pytest.mark.parametrize("logged_in", [True, False], ids=["logged in", "anonymous"])
async def test_a_new_secret_key_ends_no_page(fleet, stack, logged_in):
    known = fleet.another(stack, SECRET_KEY=OLD, SECRET_KEY_FALLBACKS=NEW)
    rotated = fleet.another(stack, SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=OLD)
    for first, second in ((known, rotated), (rotated, known)):
        browser = signed_in(first.url)
        client = await LiveClient.open(first.url, "/", cookies_of(browser) if logged_in else None)
        await client.event("increment")
        await client.reconnect(second.url)
        await client.event("increment")
        assert (count_in(client.html), pid_in(client.html)) == (2, second.process.pid)
        await client.leave()
        # The socket has not logged anybody out.
        assert browser.client.get(f"{first.url}/admin/").url.path == "/admin/"
    # The rest of the fleet has never heard of the new key.
    client = await LiveClient.open(rotated.url, "/")
    with pytest.raises(Disconnected) as refused:
        await client.reconnect(fleet.servers[0].url)
    assert refused.value.code == 4406


async def test_two_releases_of_a_view_with_the_same_fields_share_its_pages(fleet, stack):
    second = fleet.another(stack, RELEASE="2")
    client = await LiveClient.open(fleet.url, "/same/")
    await client.event("increment")
    await client.reconnect(second.url)
    assert count_in(client.html) == 1
    await client.event("increment")
    assert count_in(client.html) == 11
    await client.reconnect(fleet.url)
    await client.event("increment")
    assert count_in(client.html) == 12


@pytest.mark.parametrize("path", ["/other/", "/versioned/", "/form/"])
async def test_a_page_of_a_release_with_other_fields_is_stale(fleet, stack, path):
    second = fleet.another(stack, RELEASE="2")
    for old, new in ((fleet.url, second.url), (second.url, fleet.url)):
        client = await LiveClient.open(old, path)
        await client.event("increment")
        with pytest.raises(NotLive):
            await client.reconnect(new)
        # The socket stays, for the page that is fetched afresh.
        assert client.close_code is None
        # It is not lost for those servers that know what it means.
        await client.reconnect(old)
        await client.event("increment")
        assert count_in(client.html) == 2


# Told by another server


async def test_an_ended_session_closes_its_sockets_on_every_server(fleet):
    clients = [await LiveClient.open(server.url, "/") for server in fleet.servers]
    keys = {}
    with closing(fleet.store()) as store:
        for info in store.iter_sessions():
            keys[info.created_at] = info.key
        newest = [keys[created] for created in sorted(keys)[-3:]]
        for client, key in zip(clients, newest, strict=True):
            assert client.close_code is None
            store.delete(key)
            assert await client.closed() == 4404
            assert client.close_reason == "ended"
    with pytest.raises(Disconnected) as gone:
        await clients[0].reconnect()
    assert gone.value.code == 4404


async def test_the_end_of_an_owner_closes_all_their_sockets_and_no_others(fleet):
    cookies = cookies_of(signed_in(fleet.url))
    own = [await LiveClient.open(server.url, "/", cookies) for server in fleet.servers]
    other = await LiveClient.open(fleet.url, "/")
    with closing(fleet.store()) as store:
        assert store.delete_owner("1") >= len(own)
    assert [(await client.closed(), client.close_reason) for client in own] == [(4404, "ended")] * len(own)
    await other.event("increment")
    assert count_in(other.html) == 1


async def test_a_session_that_is_ended_in_the_admin_of_one_server_ends_on_another(fleet):
    admin = signed_in(fleet.servers[0].url)
    cookies = cookies_of(admin)
    with closing(fleet.store()) as store:
        store.delete_owner("1")
    one = await LiveClient.open(fleet.servers[1].url, "/", cookies)
    page = admin.client.get("/admin/djust/livesession/?by=owner&q=1").text
    first = re.findall(r'href="(/admin/djust/livesession/session/[^"]+)"', page)
    assert len(first) == 1
    admin.post(f"{first[0]}end/", {})
    assert (await one.closed(), one.close_reason) == (4404, "ended")

    both = [await LiveClient.open(server.url, "/", cookies) for server in fleet.servers[1:]]
    page = admin.client.get("/admin/djust/livesession/?by=owner&q=1").text
    [end] = set(re.findall(r'href="(/admin/djust/livesession/owner/[^"]+/end/)"', html.unescape(page)))
    admin.post(end, {})
    assert [(await client.closed(), client.close_reason) for client in both] == [(4404, "ended")] * 2


async def test_a_logout_on_one_server_closes_the_sockets_on_the_others(fleet):
    browser, elsewhere = signed_in(fleet.servers[0].url), signed_in(fleet.url)
    own = [await LiveClient.open(server.url, "/", cookies_of(browser)) for server in fleet.servers]
    # The same user at another device, and somebody else.
    others = [
        await LiveClient.open(fleet.servers[1].url, "/", cookies_of(elsewhere)),
        await LiveClient.open(fleet.servers[1].url, "/"),
    ]
    started = datetime.now(UTC)
    browser.post("/admin/logout/", {})
    assert [await client.closed() for client in own] == [4401] * len(own)
    # By word from server to server; the look at logins that each server takes would be a minute later.
    assert (datetime.now(UTC) - started).total_seconds() < 20
    with pytest.raises(Disconnected) as refused:
        await own[1].reconnect()
    assert refused.value.code == 4401
    for client in others:
        await client.event("increment")
        assert count_in(client.html) == 1
        await client.leave()
