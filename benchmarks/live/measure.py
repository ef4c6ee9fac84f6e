"""Our LiveViews against those of the published ``djust``: the same site, server, Redis and clients."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.live.environment import RELEASE
from benchmarks.live.site_server import SiteServer, serving
from benchmarks.report import heading, row, title
from tests.servers.redis_server import RedisServer

VIEWS = {"counter": "counter", "list": "100-row list"}
#: Events a second that both can do, by view.
EQUAL_RATES = {"counter": 200, "list": 30}
SIDES = ("ours", "peer")
#: Open before the first look at memory, so that what is loaded once counts for nobody.
FIRST_CLIENTS = 20
MANY_CLIENTS, MANY_RATE = 2_000, 200

Found = dict[str, list[dict[str, Any]]]


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print."""
    rounds, seconds = (2, 2.0) if quick else (5, 4.0)
    title(f"LiveViews, one uvicorn worker, compression off; the peer is djust {RELEASE}")
    heading()
    with serving("ours", server) as ours, serving("peer", server) as peer:
        sites = (ours, peer)
        for view, name in VIEWS.items():
            for clients in (50, 300):
                _capacity(sites, view, f"{name}, {clients} connections", clients, rounds, seconds)
        for view, name in VIEWS.items():
            _equal_load(sites, view, name, rounds, seconds)
        _reconnects(sites)
    _memory(server, quick=quick)
    _many(server, seconds=5.0 if quick else 30.0)


def _capacity(sites: tuple[SiteServer, ...], view: str, name: str, clients: int, rounds: int, seconds: float) -> None:
    """Let each client send its next event when the last is answered."""
    found = _in_turns(sites, rounds, lambda site: site.load(view, clients, seconds=seconds))
    _compare(f"{name}: events a second", found, "rate", "{:,.0f}", aim="2.5")
    _compare("  p50, ms", found, "p50", "{:,.1f}")
    _compare("  p99, ms", found, "p99", "{:,.1f}")
    _compare("  processor time of the server per event, us", found, "processor_us", "{:,.0f}")
    if clients == 50:
        _compare("  bytes of the server's frame", found, "bytes", "{:,.0f}")


def _equal_load(sites: tuple[SiteServer, ...], view: str, name: str, rounds: int, seconds: float) -> None:
    """Send the same number of events a second to both, fewer than either could do."""
    rate = EQUAL_RATES[view]
    found = _in_turns(sites, rounds, lambda site: site.load(view, 50, seconds=seconds, rate=rate))
    _compare(f"{name}, 50 connections, {rate:,.0f} events a second: p50, ms", found, "p50", "{:,.1f}")
    _compare("  p99, ms", found, "p99", "{:,.1f}", aim="< 1")


def _reconnects(sites: tuple[SiteServer, ...]) -> None:
    kept = {site.side: site.count_after_reconnect() for site in sites}
    row("three events, a reconnect: the page says", ours=str(kept["ours"]), peer=str(kept["peer"]), aim="3")


def _memory(server: RedisServer, *, quick: bool) -> None:
    """Print what a silent connection takes. Each figure comes from servers of its own."""
    cases = [("counter", False, 300), ("counter", False, 1_000), ("counter", True, 300), ("list", False, 300)]
    for view, compression, clients in cases[:1] if quick else cases:
        per_connection = {}
        for side in SIDES:
            with serving(side, server, compression=compression) as site, site.idle(view, FIRST_CLIENTS):
                before = site.resident_kb
                with site.idle(view, clients):
                    per_connection[side] = (site.resident_kb - before) / clients
        ours, peer = per_connection["ours"], per_connection["peer"]
        row(
            f"{VIEWS[view]}, {clients:,} silent, compression {'on' if compression else 'off'}: kB each",
            ours=f"{ours:.1f}",
            peer=f"{peer:.1f}",
            ratio=ours / peer,
            aim="" if compression or view == "list" else "at most 45 kB",
        )


def _many(server: RedisServer, *, seconds: float) -> None:
    title(f"{MANY_CLIENTS:,} connections on one worker, counter, {MANY_RATE} events a second")
    heading()
    found: Found = {}
    for side in SIDES:
        with serving(side, server) as site:
            found[side] = [site.load("counter", MANY_CLIENTS, seconds=seconds, rate=MANY_RATE)]
    _compare("p50, ms", found, "p50", "{:,.1f}")
    _compare("p95, ms", found, "p95", "{:,.1f}", aim="< 100 ms")
    _compare("p99, ms", found, "p99", "{:,.1f}")
    _compare("lost events", found, "lost", "{:,.0f}", aim="0")


def _in_turns(sites: tuple[SiteServer, ...], rounds: int, work: Callable[[SiteServer], dict[str, Any]]) -> Found:
    """Let both take turns, so that what else the machine does meets both."""
    found: Found = {site.side: [] for site in sites}
    for number in range(rounds):
        for site in sites if number % 2 else reversed(sites):
            found[site.side].append(work(site))
    return found


def _compare(what: str, found: Found, key: str, shown: str, aim: str = "") -> None:
    """Print a line: medians, and the median of the ratios of each round."""
    ours, peer = ([result[key] for result in found[side]] for side in SIDES)
    ratios = [a / b for a, b in zip(ours, peer, strict=True) if b]
    row(
        what,
        ours=shown.format(statistics.median(ours)),
        peer=shown.format(statistics.median(peer)),
        ratio=statistics.median(ratios) if ratios else None,
        aim=aim,
    )
