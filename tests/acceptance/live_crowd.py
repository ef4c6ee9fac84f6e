"""Pages that count all the time, and come back by themselves when their server ends."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from websockets.exceptions import WebSocketException

from djust.testing.live_client import Disconnected, LiveClient
from tests.servers.waiting import wait_until

_COUNT = re.compile(r'id="count">(\d+)<')
_PID = re.compile(r'id="pid">(\d+)<')

#: Why a connection is not made while servers end and start: none listens, or nginx has none to pass it on to.
NOT_YET = (Disconnected, OSError, TimeoutError, WebSocketException)
#: Seconds: what the client script waits at most before its first attempts, and later ones.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


def count_in(html: str) -> int:
    """Return the number that a page shows."""
    found = _COUNT.search(html)
    assert found, html
    return int(found[1])


def pid_in(html: str) -> int:
    """Return the process that a page names as its own."""
    found = _PID.search(html)
    assert found, html
    return int(found[1])


async def eventually(condition: Callable[[], object], *, what: str = "the condition", timeout: float = 30.0) -> None:
    """Wait for a condition while sockets go on."""
    await asyncio.to_thread(wait_until, condition, timeout=timeout, what=what)


async def come_back(client: LiveClient, base_url: str | None = None) -> None:
    """Join again with the pauses of the client script: full jitter, longer with each attempt."""
    longest = _FIRST_PAUSE
    while True:
        await asyncio.sleep(random.uniform(0, longest))
        longest = min(2 * longest, _LONGEST_PAUSE)
        with suppress(*NOT_YET):
            await client.reconnect(base_url)
            return


class Visitor:
    """One page that counts."""

    __slots__ = ("client", "codes", "pause", "restored_at", "sent", "task")

    def __init__(self, client: LiveClient, pause: float) -> None:
        self.client = client
        #: Seconds between an answer and the next event, on average.
        self.pause = pause
        self.sent = 0
        #: What its sockets were closed with.
        self.codes: list[int] = []
        #: When it was connected again, by the monotonic clock; 0: it never had to.
        self.restored_at = 0.0
        self.task: asyncio.Task[None] | None = None

    async def live(self, stop: asyncio.Event) -> None:
        """Count until ``stop``; then wait until all that was sent is acknowledged."""
        while not stop.is_set():
            self.sent += 1
            with suppress(Disconnected):
                await self.client.event("increment")
                await self.pause_until(stop)
            await self.restore()

    async def pause_until(self, stop: asyncio.Event) -> None:
        """Wait for a while, or for ``stop``, or for the end of the socket."""
        waits = {asyncio.create_task(stop.wait()), asyncio.create_task(self.client.closed())}
        await asyncio.wait(waits, timeout=self.pause * random.uniform(0.5, 1.5), return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    async def restore(self) -> None:
        """Come back if the socket is closed: to what was acknowledged, and to no more than was sent."""
        if self.client.close_code is None:
            return
        self.codes.append(self.client.close_code)
        acknowledged = self.client.last_number
        await come_back(self.client)
        self.restored_at = time.monotonic()
        assert acknowledged <= count_in(self.client.html) <= self.sent

    @property
    def is_right(self) -> bool:
        """Whether everything that was sent was acknowledged, and is counted once."""
        return count_in(self.client.html) == self.client.last_number == self.sent


class Crowd:
    """Many of them. Leaving the context ends them."""

    def __init__(self, url: str, count: int, *, pause: float) -> None:
        self._url = url
        self._count = count
        self._pause = pause
        self._stop = asyncio.Event()
        self.visitors: list[Visitor] = []

    async def __aenter__(self) -> Crowd:
        # As many at a time as a browser's users would be: their pages are made in a fraction of a second each.
        gate = asyncio.Semaphore(40)

        async def come() -> None:
            async with gate:
                visitor = Visitor(await LiveClient.open(self._url, "/"), self._pause)
            self.visitors.append(visitor)
            visitor.task = asyncio.create_task(visitor.live(self._stop))

        await asyncio.gather(*(come() for _ in range(self._count)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for visitor in self.visitors:
            if visitor.task is not None:
                visitor.task.cancel()
        await asyncio.gather(*(visitor.client.drop() for visitor in self.visitors), return_exceptions=True)

    async def stop(self) -> None:
        """Let everybody finish what they have begun."""
        self._stop.set()
        await asyncio.gather(*self._tasks())

    async def act(self, work: Callable[[LiveClient], Awaitable[object]]) -> None:
        """Let everybody do something at the same time."""
        await asyncio.gather(*(work(visitor.client) for visitor in self.visitors))

    def lost_since(self, moment: float) -> list[Visitor]:
        """Return those who had to come back after a moment of the monotonic clock."""
        return [visitor for visitor in self.visitors if visitor.restored_at > moment]

    def by_process(self) -> Counter[int]:
        """Return how many pages each process serves."""
        return Counter(pid_in(visitor.client.html) for visitor in self.visitors)

    @property
    def acknowledged(self) -> int:
        """How many events were acknowledged so far."""
        return sum(visitor.client.last_number for visitor in self.visitors)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [visitor.task for visitor in self.visitors if visitor.task is not None]


async def twin_of(client: LiveClient, base_url: str) -> LiveClient:
    """Return the same page in another tab, as a browser duplicates it, connected to a server."""
    twin = LiveClient(base_url, client._path, client.cookies, client._options)
    twin._token, twin._url, twin._heartbeat = client._token, client._url, client._heartbeat
    await twin.join()
    return twin
