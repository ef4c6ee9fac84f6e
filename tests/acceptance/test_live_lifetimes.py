"""How long the state of a page lives: fetched and never joined, left, lost, idle, and behind a dead connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from djust.state_backend import RedisStateBackend
from djust.testing.live_client import LiveClient
from tests.acceptance.live_crowd import count_in, eventually, twin_of
from tests.acceptance.live_fleet import Fleet, options, proxied
from tests.servers.uvicorn_server import UvicornServer

ONE_MINUTE = timedelta(minutes=1)


class Place:
    """A server with settings and sessions of its own."""

    def __init__(self, fleet: Fleet, stack: ExitStack, **changed: Any) -> None:
        self.fleet = fleet
        prefix = f"place-{secrets.token_hex(6)}:"
        self.server: UvicornServer = fleet.another(stack, OPTIONS=options(KEY_PREFIX=prefix, **changed))
        self.store = stack.enter_context(closing(RedisStateBackend(fleet.redis.url, key_prefix=prefix)))

    def seconds_left(self) -> list[float]:
        """Return how long each session has to live."""
        now = datetime.now(UTC)
        return [(info.expires_at - now).total_seconds() for info in self.store.iter_sessions() if info.expires_at]

    async def open(self) -> LiveClient:
        """Open the counter."""
        return await LiveClient.open(self.server.url, "/")

    async def until_nothing_lives(self) -> None:
        """Wait until no session lives."""
        await eventually(lambda: not list(self.store.iter_sessions()), what="the sessions to end")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """End with the test what is entered here."""
    with ExitStack() as stack:
        yield stack


def scripts_run(fleet: Fleet) -> int:
    """Return how many scripts Redis has run: each save and each touch is one."""
    with fleet.client() as client:
        found = client.info("commandstats")
    return sum(figures["calls"] for name, figures in found.items() if name.startswith("cmdstat_evalsha"))


async def test_a_page_that_nobody_joins_or_that_is_left_ends_soon_and_one_that_is_lost_lives_on(fleet, stack):
    place = Place(fleet, stack, PAGE_TTL=2, SESSION_TTL=600)
    # A crawler.
    httpx.get(place.server.url)
    assert all(0 < left <= 2 for left in place.seconds_left())
    await place.until_nothing_lives()
    # A tab that is closed: the script says so, and where it cannot the code of the socket does.
    for say_so in (True, False):
        client = await place.open()
        await client.event("increment")
        assert place.seconds_left()[0] > 590
        if say_so:
            await client.send({"t": "leave"})
        else:
            await client._connection.close(1001)
        await eventually(lambda: place.seconds_left()[0] <= 2, what="the page to be given up")
        await client.drop()
        await place.until_nothing_lives()
    # A tunnel.
    client = await place.open()
    await client.event("increment")
    await client.drop()
    await eventually(lambda: fleet.sockets_of(place.server) == 0)
    assert place.seconds_left()[0] > 590
    await client.reconnect()
    assert count_in(client.html) == 1
    # One of two tabs is closed.
    twin = await twin_of(client, place.server.url)
    await client.leave()
    await eventually(lambda: fleet.sockets_of(place.server) == 1)
    assert place.seconds_left()[0] > 590
    await twin.leave()
    await place.until_nothing_lives()


async def test_the_other_tab_may_be_on_another_server(fleet):
    first = await LiveClient.open(fleet.servers[0].url, "/")
    second = await twin_of(first, fleet.servers[1].url)
    with closing(fleet.store()) as store:
        key = max(store.iter_sessions(), key=lambda info: info.created_at).key
        await first.leave()
        await eventually(lambda: store.get(key).expires_at - datetime.now(UTC) > 10 * ONE_MINUTE, what="a touch")
    await second.event("increment")
    await second.leave()


async def test_open_sockets_keep_their_pages_with_few_touches(fleet, stack):
    seconds = 5
    place = Place(fleet, stack, SESSION_TTL=seconds)
    clients = [await place.open() for _ in range(5)]
    loop = asyncio.get_running_loop()
    started, before = loop.time(), scripts_run(fleet)
    await eventually(lambda: loop.time() > started + 2 * seconds, what="two times their time to live")
    touches = scripts_run(fleet) - before
    assert len(place.seconds_left()) == len(clients)
    assert len(clients) * 2 <= touches <= len(clients) * 2 * 10
    # Whoever is active needs none.
    before = scripts_run(fleet)
    for _ in range(100):
        await asyncio.gather(*(client.event("increment") for client in clients))
    assert scripts_run(fleet) - before <= 100 * len(clients) + len(clients)
    assert {count_in(client.html) for client in clients} == {100}
    for client in clients:
        await client.drop()
    await place.until_nothing_lives()


async def test_sockets_that_say_nothing_are_closed(fleet, stack):
    place = Place(fleet, stack, HEARTBEAT_SECONDS=0.5)
    proxy, url = proxied(stack, place.server)
    half_open = await LiveClient.open(url, "/")
    silent = await place.open()
    talking = await place.open()
    silent._timer.cancel()
    proxy.blackhole()
    assert await silent.closed() == 4408
    await eventually(lambda: fleet.pages_of(place.server) == 1, what="the half-open socket to be forgotten")
    await eventually(lambda: fleet.sockets_of(place.server) == 1)
    # Neither has lost anything.
    proxy.restore()
    for client in (half_open, silent):
        await client.reconnect()
        await client.event("increment")
        assert count_in(client.html) == 1
    await talking.event("increment")
