"""Who is kept when memory is short: active users among a crowd that comes once and never returns."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

from benchmarks.report import title
from benchmarks.sessions import LABEL, name, owner
from djust.exceptions import BackendFull
from djust.state_backend import RedisStateBackend
from tests.servers.redis_server import RedisServer

POLICIES = ("volatile-ttl", "volatile-lru", "volatile-lfu", "volatile-random", "allkeys-lru", "allkeys-lfu")
ACTIVE, DRIVE_BY = 15_000, 120_000
AT_ONCE = 100


@dataclass
class Crowd:
    """What happened to those who came."""

    refused: int = 0

    async def save(self, backend: RedisStateBackend, number: int, ttl: float, body: bytes) -> None:
        """Save the session of one visitor."""
        try:
            await backend.aset(name(number), {"data": body}, ttl=ttl, owner=owner(number), label=LABEL)
        except BackendFull:
            self.refused += 1


def run(server: RedisServer, *, quick: bool) -> None:
    """Measure and print. Each policy has a server of its own."""
    share = 8 if quick else 1
    active, drive_by, maxmemory = ACTIVE // share, DRIVE_BY // share, f"{64 // share}mb"
    title(f"{active:,} active sessions among {drive_by:,} drive-by ones, maxmemory {maxmemory}, nobody sweeps")
    print(f"{'policy':<18}{'active kept':>16}{'writes refused':>18}{'evicted':>12}{'index entries a session':>28}")
    for policy in POLICIES:
        with RedisServer(server.binary, maxmemory=maxmemory, policy=policy) as short:
            _measure(short, policy, active, drive_by)


def _measure(server: RedisServer, policy: str, active: int, drive_by: int) -> None:
    backend = RedisStateBackend(server.url)
    crowd = Crowd()
    asyncio.run(_come(backend, crowd, active, drive_by))
    kept = sum(backend.get(name(number)) is not None for number in range(active))
    with server.client() as bare:
        evicted = bare.info("stats")["evicted_keys"]
        alive = sum(1 for _ in bare.scan_iter("djust:*:s:*", count=10_000))
        indexed = sum(bare.zcard(key) for key in bare.scan_iter("djust:*:due", count=10_000))
    print(
        f"{policy:<18}{kept:>8,} {kept / active:>6.1%}{crowd.refused:>18,}{evicted:>12,}{indexed / alive:>28.2f}",
        flush=True,
    )
    backend.close()


async def _come(backend: RedisStateBackend, crowd: Crowd, active: int, drive_by: int) -> None:
    """Let a drive-by visitor come for each visit of an active one, who are seen in turn, again and again."""
    for number in range(0, active, AT_ONCE):
        await asyncio.gather(*(crowd.save(backend, n, 7200, _body()) for n in range(number, number + AT_ONCE)))
    for start in range(0, drive_by, AT_ONCE):
        seen = [(start + n) % active for n in range(AT_ONCE)]
        passing = [active + start + n for n in range(AT_ONCE)]
        await asyncio.gather(*(crowd.save(backend, n, 7200, _body()) for n in (*seen, *passing)))
    await backend.aclose()


def _body() -> bytes:
    """Return what does not compress, so that sizes are what they look like."""
    return os.urandom(500)
