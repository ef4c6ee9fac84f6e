"""``python -m benchmarks [store] [sweep] [figures] [size] [--quick] [--server PATH]``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks import figures, size, store, sweep
from tests.servers import binaries
from tests.servers.binaries import Binary
from tests.servers.redis_server import RedisServer

PARTS = {"store": store.run, "size": size.run, "sweep": sweep.run, "figures": figures.run}


def main() -> None:
    """Run the chosen parts, or all, on a server of their own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="what to measure; everything by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sessions: for a look, not for figures")
    parser.add_argument("--server", type=Path, help="another server than Debian's Redis 7.0")
    options = parser.parse_args()
    binary = Binary("server", options.server, {}) if options.server else binaries.redis7()
    with RedisServer(binary) as server:
        with server.client() as client:
            info = client.info("server")
        found = info.get("valkey_version") or info["redis_version"]
        print(f"Server: {info.get('server_name', 'redis')} {found}; {os.cpu_count()} cores; hiredis on both sides")
        for part in options.part or PARTS:
            PARTS[part](server, quick=options.quick)


if __name__ == "__main__":
    main()
