"""Visitors of the packing list who talk HTTP to it, as browsers would.

Visitors arrive, start a list, tick a few things and leave; their lists expire. Some come back before that and look
whether everything is still as they left it. A list that should have been alive and was not there counts as lost.

    python simulator.py http://127.0.0.1:8000 --ttl 8 --rate 6 --summary summary.json

Ends on SIGTERM or Ctrl-C, writes the summary and exits with 1 when a live list was lost or came back changed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

DESTINATIONS = ("Lisbon", "Kyoto", "Tromsø", "Naples", "Galway", "Vilnius", "Oaxaca", "Hobart", "Bergen", "Aveiro")
THINGS = ("Sunglasses", "Earplugs", "Postcards", "Chess set", "Tea", "Camera", "Sketchbook", "Snacks for the train")

_VERSION = re.compile(r'data-version="(\d+)"')
_ITEM = re.compile(r'data-item="([0-9a-f]+)" data-packed="([01])"')


@dataclass
class Tally:
    """What happened so far."""

    visitors: int = 0
    lists_started: int = 0
    changes: int = 0
    came_back: int = 0
    found_as_left: int = 0
    found_expired: int = 0
    found_lost: int = 0
    lost: int = 0
    changed: int = 0
    errors: int = 0


class WrongAnswer(Exception):
    """The site answered with something that a visitor cannot use."""


class NothingLeft(Exception):
    """The visitor's list expired while they looked at it."""


@dataclass(frozen=True)
class Page:
    """What a visitor sees of a list: its version, and which thing is packed."""

    version: int
    items: dict[str, bool]

    @classmethod
    def read(cls, html: str) -> Page | None:
        """Return the list on this page, or None when there is none."""
        version = _VERSION.search(html)
        if version is None:
            return None
        return cls(int(version.group(1)), {item: packed == "1" for item, packed in _ITEM.findall(html)})


class Visitor:
    """One browser with one list."""

    def __init__(self, client: httpx.AsyncClient, tally: Tally, ttl: float) -> None:
        self._client = client
        self._tally = tally
        self._ttl = ttl
        self._page: Page | None = None
        self._wrote_at = 0.0

    async def visit(self) -> None:
        """Come, pack, go, and perhaps come back."""
        self._tally.visitors += 1
        await self._look()
        await self._send(
            "/start/",
            destination=random.choice(DESTINATIONS),
            kind=random.choice(("city", "beach", "hike", "work")),
            nights=str(random.randint(1, 9)),
        )
        self._tally.lists_started += 1
        for _ in range(random.randint(1, 4)):
            await asyncio.sleep(random.uniform(0.05, 0.1) * self._ttl)
            await self._change()
        while random.random() < 0.35:
            await asyncio.sleep(random.uniform(0.2, 0.8) * self._ttl)
            if not await self._come_back():
                return
            await self._change()
        if random.random() < 0.1:
            await asyncio.sleep(self._ttl * 1.1)
            await self._come_back()

    async def drive_by(self) -> None:
        """Start a list and never come back, as a crawler does."""
        self._tally.visitors += 1
        await self._look()
        await self._send("/start/", destination=random.choice(DESTINATIONS), kind="work", nights="9")
        self._tally.lists_started += 1

    async def _come_back(self) -> bool:
        """Look whether the list is as it was left; return whether it is there."""
        left = self._page
        found = await self._look()
        self._tally.came_back += 1
        if found is None:
            if self._is_lost():
                self._tally.found_lost += 1
            else:
                self._tally.found_expired += 1
            return False
        if found == left:
            self._tally.found_as_left += 1
        else:
            self._tally.changed += 1
        return True

    async def _change(self) -> None:
        """Tick something, or add something."""
        if self._page is None:
            raise WrongAnswer("There is no list to change.")
        version = str(self._page.version)
        if random.random() < 0.25:
            await self._send("/add/", version=version, name=random.choice(THINGS), group="Other")
        else:
            item, packed = random.choice(list(self._page.items.items()))
            await self._send("/pack/", version=version, item=item, **({} if packed else {"packed": "on"}))
        self._tally.changes += 1

    async def _look(self) -> Page | None:
        answer = await self._client.get("/")
        answer.raise_for_status()
        self._page = Page.read(answer.text)
        return self._page

    async def _send(self, path: str, **fields: str) -> None:
        asked_at = time.monotonic()
        fields["csrfmiddlewaretoken"] = self._client.cookies.get("csrftoken", "")
        answer = await self._client.post(path, data=fields, follow_redirects=True)
        if answer.status_code == httpx.codes.GONE:
            self._is_lost()
            raise NothingLeft
        answer.raise_for_status()
        self._page = Page.read(answer.text)
        if self._page is None:
            raise WrongAnswer(f"{path} did not lead to a list.")
        self._wrote_at = asked_at

    def _is_lost(self) -> bool:
        """Return whether a list that is not there should be, and count it then; or else its time had run out.

        A write moves the deadline to the TTL after it, and it happened after it was asked for. The answer that misses
        the list came before now.
        """
        lost = time.monotonic() - self._wrote_at < self._ttl
        self._tally.lost += lost
        return lost


class Crowd:
    """Visitors who arrive one after the other."""

    def __init__(self, url: str, *, ttl: float, rate: float, drive_by: bool = False) -> None:
        self.tally = Tally()
        self._drive_by = drive_by
        self._url = url
        self._ttl = ttl
        self._rate = rate
        self._here: set[asyncio.Task[None]] = set()

    async def run(self, ended: asyncio.Event) -> None:
        """Let visitors arrive until ``ended``, then send everybody home."""
        next_report = time.monotonic() + 5
        async with httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=50)) as connections:
            while not ended.is_set():
                task = asyncio.create_task(self._visit(connections))
                self._here.add(task)
                task.add_done_callback(self._here.discard)
                if time.monotonic() >= next_report:
                    next_report += 5
                    self.report()
                await _wait(ended, random.expovariate(self._rate))
            for task in list(self._here):
                task.cancel()
            await asyncio.gather(*self._here, return_exceptions=True)

    def report(self) -> None:
        """Say how it goes."""
        tally = self.tally
        print(
            f"{len(self._here)} visitors here, {tally.lists_started} lists started, {tally.changes} changes, "
            f"{tally.came_back} came back: {tally.found_as_left} as left, {tally.found_expired} expired, "
            f"{tally.lost} lost, {tally.changed} changed; {tally.errors} errors",
            flush=True,
        )

    async def _visit(self, connections: httpx.AsyncHTTPTransport) -> None:
        client = httpx.AsyncClient(base_url=self._url, transport=_Shared(connections), timeout=10)
        try:
            visitor = Visitor(client, self.tally, self._ttl)
            await (visitor.drive_by() if self._drive_by else visitor.visit())
        except NothingLeft:
            pass
        except (httpx.HTTPError, WrongAnswer) as error:
            self.tally.errors += 1
            print(f"A visitor could not go on: {error}", flush=True)
        finally:
            await client.aclose()


class _Shared(httpx.AsyncBaseTransport):
    """Connections that outlive the client: each visitor has cookies of their own, nobody a pool of their own."""

    def __init__(self, connections: httpx.AsyncHTTPTransport) -> None:
        self._connections = connections

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._connections.handle_async_request(request)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


async def _main(options: argparse.Namespace) -> int:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    crowd = Crowd(options.url, ttl=options.ttl, rate=options.rate, drive_by=options.drive_by)
    await crowd.run(ended)
    crowd.report()
    if options.summary is not None:
        options.summary.write_text(json.dumps(asdict(crowd.tally)))
    return 1 if crowd.tally.lost or crowd.tally.changed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Visitors of the packing list who talk HTTP to it.")
    parser.add_argument("url")
    parser.add_argument("--ttl", type=float, required=True, help="seconds, the SESSION_TTL of the site")
    parser.add_argument("--rate", type=float, default=6.0, help="visitors that arrive per second")
    parser.add_argument("--drive-by", action="store_true", help="visitors start a list and never come back")
    parser.add_argument("--summary", type=Path, help="where to write what happened, as JSON")
    raise SystemExit(asyncio.run(_main(parser.parse_args())))
