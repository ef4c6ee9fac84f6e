"""Visitors of the packing lists who speak to its LiveViews as browsers do.

They answer the questions of the planner, pack, now and then with a friend, lose their connection and come back. When a
server ends under them they connect again, to another one. They compare what they come back to with what they left.

    python simulator.py http://127.0.0.1:8000 --ttl 8 --rate 4 --summary summary.json

Ends on SIGTERM or Ctrl-C, writes the summary (see ``simulation.tally``), and exits with 1 when a page that should have
been there was not, or was not as it had been left. With ``--drive-by`` they fetch a page each and never connect, as
crawlers do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import time
from dataclasses import asdict
from pathlib import Path

import httpx
from simulation.page import UNREACHABLE, NothingLeft, WrongAnswer
from simulation.tally import Tally
from simulation.visitor import Visitor

from djust.testing.live_client import Disconnected, NotLive


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
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=self._url, limits=limits, timeout=10) as passing:
            while not ended.is_set():
                task = asyncio.create_task(self._visit(passing))
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
        if self._drive_by:
            print(f"{tally.pages} pages fetched by visitors who never connect; {tally.errors} errors", flush=True)
            return
        print(
            f"{len(self._here)} visitors here, {tally.trips} trips planned, {tally.changes} changes, "
            f"{tally.came_back} came back: {tally.found_as_left} as left, {tally.found_expired} expired, "
            f"{tally.lost} lost, {tally.changed} changed; {tally.cut_off} cut off by a server, "
            f"{tally.carried_on} carried on; {tally.errors} errors",
            flush=True,
        )

    async def _visit(self, passing: httpx.AsyncClient) -> None:
        try:
            if self._drive_by:
                await self._pass_by(passing)
            else:
                await Visitor(self._url, self.tally, self._ttl).visit()
        except NothingLeft:
            pass
        except (httpx.HTTPError, WrongAnswer, NotLive, Disconnected, *UNREACHABLE) as error:
            self.tally.errors += 1
            print(f"A visitor could not go on: {type(error).__name__}: {error}", flush=True)

    async def _pass_by(self, passing: httpx.AsyncClient) -> None:
        self.tally.visitors += 1
        passing.cookies.clear()
        (await passing.get("/")).raise_for_status()
        self.tally.pages += 1


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
    parser = argparse.ArgumentParser(description="Visitors of the packing lists who speak to its LiveViews.")
    parser.add_argument("url")
    parser.add_argument("--ttl", type=float, required=True, help="seconds, the SESSION_TTL of the site")
    parser.add_argument("--rate", type=float, default=4.0, help="visitors that arrive per second")
    parser.add_argument("--drive-by", action="store_true", help="visitors fetch a page and never connect")
    parser.add_argument("--summary", type=Path, help="where to write what happened, as JSON")
    raise SystemExit(asyncio.run(_main(parser.parse_args())))
