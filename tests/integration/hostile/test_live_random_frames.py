"""Random frames over many sockets: the server lives, logs no failure, and does not grow."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from djust.live_view.protocol import Close
from tests.integration.hostile.random_frames import RandomFrames
from tests.integration.hostile.support import (
    Page,
    Socket,
    Visitor,
    assert_unharmed,
    make_environment,
    resident_kb,
    server,
)
from tests.servers.redis_server import RedisServer

FRAMES = 100_000
#: After each of so many parts somebody else is served.
PARTS = 9
SOCKETS = 40
FRAMES_AT_ONCE = 40
#: What the process may grow by after the first third of the frames.
GROWTH_KB = 12_000
ALLOWED = {code for code in Close if code >= 4400} - {Close.LOGGED_OUT, Close.FOREIGN_ORIGIN, Close.GONE, Close.SILENT}
#: With so many frames each of these comes about.
ALWAYS = {Close.MALFORMED, Close.NO_HANDLER, Close.TOKEN_REFUSED, Close.TOO_LARGE, Close.TOO_DEEP, Close.NOT_BINDABLE}


class Attack:
    """Many sockets that send until so many frames are sent."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.sent = 0
        self.codes: dict[int, int] = {}
        self._seeds = random.Random(seed)

    async def send(self, until: int) -> None:
        """Send frames until there were so many in all."""
        async with asyncio.TaskGroup() as group:
            for _ in range(SOCKETS):
                group.create_task(self._attack(self._seeds.randrange(2**32), until))

    async def _attack(self, seed: int, until: int) -> None:
        with Visitor(self.url) as visitor:
            page = visitor.page()
            frames = RandomFrames(seed)
            while self.sent < until:
                async with await visitor.joined(page) as socket:
                    while self.sent < until and await self._volley(socket, frames):
                        pass

    async def _volley(self, socket: Socket, frames: RandomFrames) -> bool:
        """Send some frames, the last one wild, and return whether the socket outlived them."""
        volley: list[str | bytes] = [frames.tame() for _ in range(FRAMES_AT_ONCE)]
        volley.append(frames.wild())
        number = frames.next_number()
        self.sent += len(volley)
        for frame in volley:
            await socket.send(frame)
        # An event that does not fit is answered after everything before it.
        await socket.send({"t": "event", "n": number, "name": "typed"})
        try:
            while (answer := await socket.answer()).get("n") != number or answer["t"] == "joined":
                pass
        except ConnectionClosed:
            code = (await socket.closed())[0]
            assert code in ALLOWED, code
            self.codes[code] = self.codes.get(code, 0) + 1
            return False
        return True


@pytest.mark.long
async def test_a_hundred_thousand_random_frames(redis7: RedisServer, tmp_path: Path) -> None:
    seed = int(os.environ.get("FRAMES_SEED") or secrets.randbelow(2**32))
    print(f"FRAMES_SEED={seed}")
    environment = make_environment(tmp_path, redis7.url, f"test-{secrets.token_hex(6)}:")
    # Whoever sends more than that is refused elsewhere.
    with server(environment, FRAME_RATE="1000000", FRAME_BURST="1000000") as web, Visitor(web.url) as honest:
        page: Page = honest.page()
        async with await honest.joined(page) as socket:
            attack = Attack(web.url, seed)
            began = time.monotonic()
            resident = []
            for part in range(1, PARTS + 1):
                await attack.send(FRAMES * part // PARTS)
                resident.append(resident_kb(web.process))
                assert (await socket.event(part, "increment"))["t"] == "update"
            warm_kb = resident[PARTS // 3]
            grown_kb = resident[-1] - warm_kb
            print(
                f"{attack.sent} frames in {time.monotonic() - began:.1f} s: {attack.codes}, {warm_kb} + {grown_kb} kB"
            )
        assert_unharmed(web.process)
    assert attack.sent >= FRAMES
    assert set(attack.codes) >= ALWAYS
    assert grown_kb < GROWTH_KB
