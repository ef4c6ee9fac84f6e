"""What happens to an event whose connection is cut, that is sent again, or that meets another: it counts once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from djust.testing.live_client import Disconnected, LiveClient
from tests.acceptance.live_crowd import come_back, count_in, eventually, pid_in, twin_of
from tests.acceptance.live_fleet import Fleet, proxied, terminate
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.uvicorn_server import UvicornServer

SLOW = ["increment_slowly", "increment_slowly_in_a_thread"]


def leases(fleet: Fleet) -> list[bytes]:
    """Return what tells that servers are at work on something that takes long."""
    with fleet.client() as client:
        return list(client.scan_iter("djust:lease:page:*"))


async def listening(fleet: Fleet, server: UvicornServer) -> LiveClient:
    """Wait until a server hears of what becomes of sessions, which it does for as long as the returned page is open.

    When it begins to listen it looks at the pages that it shows, at whatever moment that is.
    """
    stays = await LiveClient.open(server.url, "/")
    goes = await LiveClient.open(server.url, "/")
    with closing(fleet.store()) as store:
        newest = max(store.iter_sessions(), key=lambda session: session.created_at)
        assert store.delete(newest.key)
    assert await goes.closed() == 4404
    return stays


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """End with the test what is entered here."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def effect() -> str:
    """Return a name under which handlers count their side effects."""
    return f"effect-{secrets.token_hex(6)}"


async def test_an_event_whose_answer_was_lost_is_applied_once(fleet, stack, effect):
    proxy, url = proxied(stack, fleet.servers[0])
    client = await LiveClient.open(url, "/")
    proxy.lose_replies()
    with pytest.raises(Disconnected):
        await client.event("increment_and_tell", name=effect)
    assert client.last_number == 0
    joined = await client.reconnect()
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (1, 1, 1)
    # What the answer brought besides comes as well, and once.
    told = [("told", {"name": effect})]
    assert client.pushed == told
    await client.reconnect()
    assert client.pushed == told


async def test_an_event_that_never_arrived_is_applied_once(fleet, stack, effect):
    proxy, url = proxied(stack, fleet.servers[0])
    client = await LiveClient.open(url, "/")
    proxy.blackhole()
    sent = asyncio.create_task(client.event("increment_and_tell", name=effect))
    await eventually(lambda: client._unanswered)
    await asyncio.to_thread(proxy.cut)
    with pytest.raises(Disconnected):
        await sent
    proxy.restore()
    joined = await client.reconnect()
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (0, 1, 1)


async def test_another_server_knows_the_numbers_of_events(fleet, stack, effect):
    proxy, url = proxied(stack, fleet.servers[0])
    client = await LiveClient.open(url, "/")
    proxy.lose_replies()
    with pytest.raises(Disconnected):
        await client.event("increment_and_tell", name=effect)
    joined = await client.reconnect(fleet.servers[1].url)
    assert (joined["n"], pid_in(client.html)) == (1, fleet.servers[1].process.pid)
    # A client that sends it all the same is told that it was done.
    answer = client._expect(1)
    await client.send({"t": "event", "n": 1, "name": "increment_and_tell", "params": {"name": effect}})
    assert await answer == {"t": "update", "n": 1, "splices": []}
    assert (count_in(client.html), fleet.effects(effect)) == (1, 1)


@pytest.mark.parametrize("other", [0, 1], ids=["same server", "another server"])
async def test_of_two_tabs_with_one_page_the_second_is_shown_the_truth(fleet, effect, other):
    listener = await listening(fleet, fleet.servers[other])
    first = await LiveClient.open(fleet.servers[0].url, "/")
    second = await twin_of(first, fleet.servers[other].url)
    await first.event("increment_and_tell", name=effect)
    answer = await second.event("increment_and_tell", name=effect)
    assert answer["conflict"] is True
    assert (count_in(first.html), count_in(second.html)) == (1, 1)
    # Either ran once: the second was not tried again.
    assert fleet.effects(effect) == 2
    answer = await second.event("increment_and_tell", name=effect)
    assert "conflict" not in answer
    answer = await first.event("increment_and_tell", name=effect)
    assert answer["conflict"] is True
    assert (count_in(first.html), count_in(second.html), fleet.effects(effect)) == (2, 2, 4)
    await listener.leave()


@pytest.mark.parametrize("handler", SLOW)
async def test_what_is_at_work_when_a_connection_is_lost_is_finished(fleet, stack, effect, handler):
    proxy, url = proxied(stack, fleet.servers[0])
    client = await LiveClient.open(url, "/")
    event = asyncio.create_task(client.event(handler, name=effect, seconds=2.0))
    await eventually(lambda: fleet.effects(effect))
    await asyncio.to_thread(proxy.cut)
    with pytest.raises(Disconnected):
        await event
    joined = await client.reconnect()
    # The same server waits for it, so that the page comes back with what it did.
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (1, 1, 1)
    await client.event("increment")
    assert count_in(client.html) == 2


@pytest.mark.parametrize("handler", SLOW)
async def test_what_one_server_is_at_no_other_begins(fleet, stack, effect, handler):
    proxy, url = proxied(stack, fleet.servers[0])
    client = await LiveClient.open(url, "/")
    event = asyncio.create_task(client.event(handler, name=effect, seconds=1.0))
    await eventually(lambda: fleet.effects(effect))
    await asyncio.to_thread(proxy.cut)
    with pytest.raises(Disconnected):
        await event
    joined = await client.reconnect(fleet.servers[1].url)
    # The other server waits for it, too.
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (1, 1, 1)
    await client.event("increment")
    await client.reconnect(fleet.servers[2].url)
    assert count_in(client.html) == 2


async def test_the_server_need_not_know_that_the_connection_is_lost(fleet, stack, effect):
    proxy, url = proxied(stack, fleet.servers[0])
    client = await LiveClient.open(url, "/")
    event = asyncio.create_task(client.event("increment_slowly", name=effect, seconds=2.0))
    await eventually(lambda: leases(fleet))
    proxy.blackhole()
    await client.drop()
    with pytest.raises(Disconnected):
        await event
    joined = await client.reconnect(fleet.servers[1].url)
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (1, 1, 1)
    await eventually(lambda: not leases(fleet))


@pytest.mark.parametrize("handler", SLOW)
async def test_what_is_at_work_when_a_server_ends_is_finished_and_saved(fleet, effect, handler):
    client = await LiveClient.open(fleet.servers[0].url, "/")
    event = asyncio.create_task(client.event(handler, name=effect, seconds=2.0))
    await eventually(lambda: fleet.effects(effect))
    ending = asyncio.create_task(asyncio.to_thread(terminate, fleet.servers[0]))
    with pytest.raises(Disconnected) as closed:
        await event
    assert closed.value.code == 1012
    # The browser is away meanwhile: nobody sends the event again.
    await ending
    joined = await client.reconnect(fleet.servers[1].url)
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (1, 1, 1)


async def test_what_a_killed_server_was_at_is_done_by_another_once_its_lease_is_over(fleet, effect):
    client = await LiveClient.open(fleet.servers[0].url, "/")
    event = asyncio.create_task(client.event("increment_slowly", name=effect, seconds=1.0))
    await eventually(lambda: leases(fleet))
    await asyncio.to_thread(fleet.servers[0].kill)
    with pytest.raises(Disconnected):
        await event
    joined = await client.reconnect(fleet.servers[1].url)
    assert (joined["n"], count_in(client.html), fleet.effects(effect)) == (0, 1, 2)
    await eventually(lambda: not leases(fleet))


async def test_a_server_that_is_killed_at_work_loses_nothing_that_was_acknowledged(fleet, effect):
    client = await LiveClient.open(fleet.url, "/")
    await client.event("increment")
    event = asyncio.create_task(client.event("increment_slowly", name=effect, seconds=1.0))
    await eventually(lambda: fleet.effects(effect))
    await asyncio.to_thread(fleet.serving(pid_in(client.html)).kill)
    with pytest.raises(Disconnected):
        await event
    await come_back(client)
    assert (client.last_number, count_in(client.html), fleet.effects(effect)) == (2, 2, 2)


async def test_an_event_whose_save_was_not_confirmed_counts_once_and_is_no_conflict(fleet, stack):
    proxy = stack.enter_context(TcpProxy(fleet.redis.host, fleet.redis.port))
    server = fleet.another(stack, REDIS_URL=proxy.url())
    client = await LiveClient.open(server.url, "/")
    for count in range(1, 6):
        # Redis saves it, and the server does not hear of that.
        proxy.lose_replies()
        answer = await client.event("increment")
        assert "conflict" not in answer
        assert count_in(client.html) == count
    proxy.restore()
    await client.reconnect(fleet.servers[0].url)
    assert (count_in(client.html), client.last_number) == (5, 5)
