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
