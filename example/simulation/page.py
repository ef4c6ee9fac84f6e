"""A page that a simulated visitor has open."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from websockets.exceptions import InvalidHandshake

from djust.testing.live_client import Disconnected, LiveClient
from simulation.sight import Sight, sight_of
from simulation.tally import Tally

#: Close codes after which a browser connects again: the server left, was killed, failed, stopped, or has no store.
CUT_OFF = (1001, 1006, 1011, 1012, 1013, 4408)
GONE, RESTARTING = 4404, 1012
#: Seconds after which somebody who cannot get through gives up, and after which a friend's change must have come.
PATIENCE_SECONDS = 30.0
#: What it looks like when no server answers.
UNREACHABLE = (OSError, TimeoutError, InvalidHandshake, HTTPException)


class WrongAnswer(Exception):
    """The site answered with something that a visitor cannot use."""


class NothingLeft(Exception):
    """The page that the visitor has open is over."""


class Page:
    """One page that somebody has open."""

    def __init__(self, client: LiveClient, tally: Tally, ttl: float, opened_at: float) -> None:
        self._client = client
        self._tally = tally
        self._ttl = ttl
        #: When the last thing was asked for that kept the page alive.
        self._alive_at = opened_at

    @classmethod
    async def open(cls, url: str, path: str, cookies: dict[str, str], tally: Tally, ttl: float) -> Page:
        """Open a page with the cookies of a browser, which keeps those that come back."""
        asked_at = time.monotonic()
        client = LiveClient(
            url, path, cookies, {"origin": None, "compression": None, "open_timeout": PATIENCE_SECONDS}
        )
        await client.load()
        cookies.update(client.cookies)
        page = cls(client, tally, ttl, asked_at)
        tally.pages += 1
        with page._noticing_its_end():
            await page._through(client.join)
        return page

    @property
    def sight(self) -> Sight:
        """What the visitor sees."""
        return sight_of(self._client.html)

    @property
    def leads_to(self) -> str:
        """Where the last event sent the page."""
        navigation = self._client.navigation
        if navigation is None:
            raise WrongAnswer("The page leads nowhere.")
        return str(navigation["url"])

    async def do(self, handler: str, **params: object) -> None:
        """Do something on the page, whatever servers do meanwhile."""
        asked_at = time.monotonic()
        await self._riding_out(lambda: self._client.event(handler, **params))
        self._did(asked_at)

    async def type(self, field: str, text: str) -> None:
        """Type into a field that is bound to the state."""
        asked_at = time.monotonic()
        await self._riding_out(lambda: self._client.set(field, text))
        self._did(asked_at)

    async def see(self, sees: Callable[[Sight], bool]) -> None:
        """Wait for what a friend does."""
        await self._riding_out(
            lambda: self._client.until(lambda client: sees(sight_of(client.html)), timeout=PATIENCE_SECONDS)
        )
        self._tally.seen += 1

    async def lose_connection(self) -> None:
        """Lose the connection, in a tunnel perhaps."""
        await self._client.drop()

    async def come_back(self, expected: Sight) -> None:
        """Connect again, and look whether all is as expected.

        Raises:
            NothingLeft: The page is over.
        """
        tally = self._tally
        tally.came_back += 1
        lost_before = tally.lost
        asked_at = time.monotonic()
        try:
            as_acknowledged = await self._join_again()
        except NothingLeft:
            if tally.lost > lost_before:
                tally.found_lost += 1
            else:
                tally.found_expired += 1
            raise
        self._alive_at = asked_at
        if as_acknowledged and self.sight.kept == expected.kept:
            tally.found_as_left += 1
        else:
            tally.changed += 1
            print(f"Left {expected}, and found {self.sight}", flush=True)

    async def leave(self) -> None:
        """Close the page."""
        await self._client.leave()

    def _did(self, asked_at: float) -> None:
        self._alive_at = asked_at
        self._tally.changes += 1

    async def _riding_out(self, action: Callable[[], Awaitable[object]]) -> None:
        """Do something, and connect again if the server ends meanwhile: then what was not answered is sent again."""
        try:
            frame = await action()
        except Disconnected as end:
            if end.code == GONE:
                self._count_if_lost()
                raise NothingLeft from None
            await self._carry_on(end)
            return
        if isinstance(frame, dict) and (frame["t"] != "update" or "conflict" in frame):
            raise WrongAnswer(f"The answer was {frame}.")

    async def _carry_on(self, end: Disconnected) -> None:
        if end.code not in CUT_OFF:
            raise end
        self._tally.cut_off += 1
        asked_at = time.monotonic()
        if end.code == RESTARTING:
            await asyncio.sleep(random.random())
        lost_before = self._tally.lost
        try:
            as_acknowledged = await self._join_again()
        except NothingLeft:
            self._tally.let_down += self._tally.lost > lost_before
            raise
        self._alive_at = asked_at
        if as_acknowledged:
            self._tally.carried_on += 1
        else:
            self._tally.let_down += 1
            self._tally.changed += 1

    async def _join_again(self) -> bool:
        """Connect again, and return whether the page knows of everything that was acknowledged."""
        acknowledged = self._client.last_number
        with self._noticing_its_end():
            joined = await self._through(self._client.join)
        return bool(joined["n"] >= acknowledged)

    async def _through(self, join: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Join, again and again while no server answers, with the pauses of the client script."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        attempt = 0
        while True:
            try:
                return await join()
            except (Disconnected, *UNREACHABLE) as error:
                final = isinstance(error, Disconnected) and error.code not in CUT_OFF
                if final or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(random.random() * min(30.0, 0.5 * 2**attempt))
            attempt += 1

    @contextmanager
    def _noticing_its_end(self) -> Iterator[None]:
        try:
            yield
        except Disconnected as end:
            if end.code != GONE:
                raise
            self._count_if_lost()
            raise NothingLeft from None

    def _count_if_lost(self) -> None:
        """Count a page that is not there and should be; or else its time had run out.

        What kept it alive happened after it was asked for. The answer that misses it came before now.
        """
        self._tally.lost += time.monotonic() - self._alive_at < self._ttl
