"""A server or Redis ends while many pages count: all of them go on, and nothing is counted twice or not at all."""

from __future__ import annotations

import asyncio
import time

import pytest

from djust.testing.live_client import LiveClient
from tests.acceptance.live_crowd import Crowd, count_in, eventually, pid_in
from tests.acceptance.live_fleet import terminate


@pytest.mark.long
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM"])
async def test_a_thousand_pages_survive_the_end_of_their_server(fleet, ending):
    async with Crowd(fleet.url, 1_000, pause=4.0) as crowd:
        assert all(pages > 250 for pages in crowd.by_process().values())
        await counted(crowd, 500)
        server = fleet.servers[0]
        affected = [visitor for visitor in crowd.visitors if pid_in(visitor.client.html) == server.process.pid]
        ended_at = time.monotonic()
        await asyncio.to_thread(server.kill if ending == "SIGKILL" else lambda: terminate(server))
        await eventually(lambda: all(visitor.restored_at for visitor in affected), what="all to be back")
        seconds = max(visitor.restored_at for visitor in affected) - ended_at
        # Not asserted: it depends on what else the machine has to do. Run it with -s to see it.
        print(f"{ending}: {len(affected)} pages were back within {seconds:.1f} s")
        assert {visitor.codes[0] for visitor in affected} == ({1006} if ending == "SIGKILL" else {1012})
        assert all(visitor.codes == [] for visitor in crowd.visitors if visitor not in affected)
        await counted(crowd, 500)
        await crowd.stop()
        assert [visitor for visitor in crowd.visitors if not visitor.is_right] == []


async def test_while_redis_is_away_events_wait_and_nothing_is_lost(fleet):
    async with Crowd(fleet.url, 200, pause=0.5) as crowd:
        await counted(crowd, 200)
        await asyncio.to_thread(fleet.redis.kill)
        await eventually(lambda: all(visitor.sent > visitor.client.last_number for visitor in crowd.visitors))
        await asyncio.to_thread(fleet.redis.start)
        await counted(crowd, 400)
        await crowd.stop()
        assert [visitor for visitor in crowd.visitors if not visitor.is_right or visitor.codes] == []


async def test_pages_show_the_older_state_of_a_redis_that_lost_some_and_go_on(fleet):
    clients = [await LiveClient.open(fleet.url, "/") for _ in range(9)]
    await asyncio.gather(*(client.event("increment") for client in clients))
    snapshot = fleet.take_snapshot()
    late = await LiveClient.open(fleet.url, "/")
    for _ in range(2):
        await asyncio.gather(*(client.event("increment") for client in [*clients, late]))
    assert {count_in(client.html) for client in clients} == {3}

    await asyncio.to_thread(fleet.go_back, snapshot)
    await asyncio.gather(*(client.until(lambda client: count_in(client.html) == 1) for client in clients))
    await asyncio.gather(*(client.event("increment") for client in clients))
    assert {count_in(client.html) for client in clients} == {2}
    # Its number goes on where it was, and a server that knows nothing of the page agrees.
    await clients[0].reconnect(
        next(server.url for server in fleet.servers if server.process.pid != pid_of(clients[0]))
    )
    assert (count_in(clients[0].html), clients[0].last_number) == (2, 4)

    assert await late.closed() == 4404
    assert late.close_reason == "expired"
    await asyncio.gather(*(client.leave() for client in clients))


async def counted(crowd: Crowd, more: int) -> None:
    """Wait until so many more events are acknowledged."""
    wanted = crowd.acknowledged + more
    await eventually(lambda: crowd.acknowledged >= wanted, what="everybody to count")


def pid_of(client: LiveClient) -> int:
    """Return the process that answered last."""
    return pid_in(client.html)
