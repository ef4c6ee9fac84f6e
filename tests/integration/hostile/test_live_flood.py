"""What a socket sends while it is busy waits, and may not fill the memory of the server."""

from __future__ import annotations

import json

import pytest

from djust.live_view.protocol import Close
from tests.integration.hostile.support import Site, Visitor, refused, resident_kb

pytestmark = pytest.mark.usefixtures("honest")


async def test_large_frames_behind_a_slow_handler_do_not_fill_the_memory(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    slow = {"t": "event", "n": 1, "name": "slowly", "params": {"seconds": 2}}
    async with await visitor.joined(page) as socket:
        before_kb = resident_kb(site.web.process)
        # Small objects take many times the memory of their text.
        large = json.dumps(
            {"t": "event", "n": 2, "name": "anything", "params": {"a": [{}] * 40_000}}, separators=(",", ":")
        )
        await refused(site, socket, Close.TOO_MANY, None, slow, *[large] * 150)
        assert resident_kb(site.web.process) - before_kb < 80_000
    assert site.store.state(page)[1]["calls"] <= 1


async def test_what_waits_within_measure_is_done(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        await socket.send({"t": "event", "n": 1, "name": "slowly", "params": {"seconds": 0.5}})
        for number in range(2, 150):
            await socket.send({"t": "event", "n": number, "name": "increment"})
        assert (await socket.event(150, "put", {"value": "x" * 100_000}))["t"] == "update"
    state = site.store.state(page)[1]
    assert (state["count"], state["calls"], len(state["text"])) == (148, 1, 1_000)


async def test_connections_that_are_cut_in_the_middle_of_their_work(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    for number in range(60):
        socket = await visitor.joined(page) if number % 3 else await visitor.socket()
        if not number % 3:
            await socket.send(page.join_frame())
        for _ in range(number % 20):
            await socket.send({"t": "event", "n": number + 1, "name": ("increment", "slowly")[number % 2]})
        socket.connection.transport.abort()
    async with await visitor.joined(page) as socket:
        assert (await socket.event(1_000, "increment"))["t"] == "update"
    # It is the same client each time, so a number counts once.
    assert site.store.state(page)[1]["count"] <= 31


async def test_a_socket_that_reads_nothing_does_not_hold_others_up(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    deaf = await visitor.joined(page)
    deaf.connection.transport.pause_reading()
    for number in range(1, 150):
        await deaf.send({"t": "event", "n": number, "name": "put", "params": {"value": f"{number}" + "x" * 3_000}})
    async with await visitor.joined(visitor.page()) as socket:
        assert (await socket.event(1, "increment"))["t"] == "update"
    deaf.connection.transport.abort()
    async with await visitor.joined(page) as socket:
        assert (await socket.event(1_000, "increment"))["t"] == "update"
