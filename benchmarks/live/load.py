"""The process of the clients: ``python -m benchmarks.live.load JOB`` does one job and prints what it found as JSON.

It is a process of its own, so that clients and server do not share one interpreter.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.live.clients import CLIENTS, Client
from benchmarks.report import percentile

#: Clients that are opened at the same time.
_AT_ONCE = 20
#: Seconds for which an answer is waited for after the last event was due.
_PATIENCE_SECONDS = 30


async def run(job: dict[str, Any]) -> dict[str, Any]:
    """Open the clients, let them work, and return what was found.

    Args:
        job: ``side``, ``url``, ``view``, ``clients``, ``seconds``, ``compression``, ``pid`` of the server, and
            ``rate``: events a second of all clients together, 0 for as fast as they are answered, ``None`` for none;
            ``reconnect``: do nothing but see what becomes of a count.
    """
    clients = await _open(job)
    if job["reconnect"]:
        return {"count": await _count_after_reconnect(clients[0])}
    if job["rate"] is None:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        return {}
    gc.collect()
    gc.freeze()
    latencies: list[float] = []
    used = _processor_seconds(job["pid"])
    started = time.perf_counter()
    if job["rate"]:
        lost = await _paced(clients, job["rate"], job["seconds"], latencies)
    else:
        lost = 0
        await asyncio.gather(*(_as_fast_as_answered(c, started + job["seconds"], latencies) for c in clients))
    seconds = time.perf_counter() - started
    used = _processor_seconds(job["pid"]) - used
    wrong = sum(client.events - client.count() for client in clients)
    events = len(latencies)
    return {
        "rate": events / seconds,
        "p50": percentile(latencies, 0.5) * 1000,
        "p95": percentile(latencies, 0.95) * 1000,
        "p99": percentile(latencies, 0.99) * 1000,
        "lost": lost + wrong,
        "bytes": sum(client.received_bytes for client in clients) / events,
        "processor_us": used / events * 1e6,
    }


async def _open(job: dict[str, Any]) -> list[Client]:
    kind = CLIENTS[job["side"]]
    clients: list[Client] = []
    while len(clients) < job["clients"]:
        more = min(_AT_ONCE, job["clients"] - len(clients))
        clients += await asyncio.gather(*(kind.open(job["url"], job["view"], job["compression"]) for _ in range(more)))
    return clients


async def _count_after_reconnect(client: Client) -> int:
    for _ in range(3):
        await client.event()
    await client.drop()
    await client.again()
    return client.count()


async def _as_fast_as_answered(client: Client, until: float, latencies: list[float]) -> None:
    while (sent := time.perf_counter()) < until:
        await client.event()
        latencies.append(time.perf_counter() - sent)


async def _paced(clients: list[Client], rate: float, seconds: float, latencies: list[float]) -> int:
    """Let the clients take turns, at a fixed rate. What is late is measured from when it was due.

    Returns:
        How many events were not answered.
    """
    started = time.perf_counter()
    total = int(rate * seconds)
    deadline = started + seconds + _PATIENCE_SECONDS

    async def send(number: int) -> None:
        # A client whose answer is late sends its next event when that has come.
        client = clients[number]
        for turn in range(number, total, len(clients)):
            due = started + turn / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            async with asyncio.timeout(deadline - time.perf_counter()):
                await client.event()
            latencies.append(time.perf_counter() - due)

    ends = await asyncio.gather(*(send(number) for number in range(len(clients))), return_exceptions=True)
    for error in ends:
        if error is not None and not isinstance(error, TimeoutError):
            raise error
    return total - len(latencies)


def _processor_seconds(pid: int) -> float:
    """Return what a process has used of processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if result := uvloop.run(run(json.loads(sys.argv[1]))):
        print(json.dumps(result), flush=True)
