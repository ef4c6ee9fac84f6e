"""Measures djust against bare peers, in one run: ``python -m benchmarks [part ...] [--quick] [--server PATH]``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks import figures, memory, pressure, size, store, sweep, watch
from benchmarks.live import measure as live
from tests.servers import binaries
from tests.servers.binaries import Binary
from tests.servers.redis_server import RedisServer

PARTS = {
    "store": store.run,
    "memory": memory.run,
    "sweep": sweep.run,
    "size": size.run,
    "figures": figures.run,
    "watch": watch.run,
    "pressure": pressure.run,
    "live": live.run,
}


def main() -> None:
    """Run the chosen parts, or all, on a server of their own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"what to measure: {', '.join(PARTS)}; everything by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sessions: for a look, not for figures")
    parser.add_argument("--server", type=Path, metavar="PATH", help="a redis-server other than the embedded Valkey")
    options = parser.parse_args()
    if unknown := set(options.part) - PARTS.keys():
        parser.error(f"There is no part called {', '.join(sorted(unknown))}. Parts: {', '.join(PARTS)}.")
    binary = Binary("server", options.server.absolute()) if options.server else binaries.valkey()
    with RedisServer(binary) as server:
        with server.client() as client:
            info = client.info("server")
        found = info.get("valkey_version") or info["redis_version"]
        print(f"{info.get('server_name', 'redis')} {found}, {os.cpu_count()} cores, hiredis on both sides.")
        print("Rates are medians of rounds in turn with the peer; the ratio is the median of the rounds' ratios.")
        for part in options.part or PARTS:
            PARTS[part](server, quick=options.quick)
            server.flush()


if __name__ == "__main__":
    main()
