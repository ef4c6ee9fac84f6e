"""A worker that is killed while it sweeps, twenty times."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from djust.state_backend import RedisStateBackend
from tests.servers.celery_processes import CeleryWorker
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
DUE, LIVE, KILLS = 50_000, 1_000, 20
BETWEEN_KILLS = 1_500


async def fill(url: str) -> None:
    """Make sessions, and then let most of them become due at once."""
    backend = RedisStateBackend(url)
    for start in range(0, DUE, 1_000):
        numbers = range(start, start + 1_000)
        await asyncio.gather(*(backend.aset(f"due{n}", {"n": n}, owner=f"o{n % 100}") for n in numbers))
    await asyncio.gather(*(backend.aset(f"live{n}", {"n": n}) for n in range(LIVE)))
    for start in range(0, DUE, 1_000):
        await asyncio.gather(*(backend.atouch(f"due{n}", 0.05) for n in range(start, start + 1_000)))
    await backend.aclose()


def runs_in(database: Path) -> list[tuple[str, int, dict[str, int]]]:
    """Return outcome, removed and figures of each run."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT outcome, removed, figures FROM djust_maintenancerun ORDER BY id").fetchall()
    return [(outcome, removed, json.loads(figures)) for outcome, removed, figures in rows]


@pytest.mark.long
def test_every_session_is_removed_none_twice_and_what_was_lost_is_counted(
    redis_server: Callable[..., RedisServer], tmp_path: Path
) -> None:
    state, broker = redis_server(), redis_server()
    database = tmp_path / "db.sqlite3"
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.worker_settings",
        "TEST_DATABASE_URL": f"sqlite:///{database}",
        "REDIS_URL": state.url,
        "CELERY_BROKER_URL": broker.url,
        "CLEANUP_LEASE_SECONDS": "0.4",
    }
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "-v0"], check=True, cwd=ROOT, env=child_environment(env)
    )
    asyncio.run(fill(state.url))
    sender = Celery(broker=broker.url)
    backend = RedisStateBackend(state.url)
    with state.client() as client:

        def reports() -> int:
            return int(client.llen("reports"))

        def queue() -> None:
            sender.send_task("djust.tasks.cleanup_expired_sessions")

        worker = CeleryWorker("tests.acceptance.worker_app", pool="solo", env=env, cwd=ROOT)
        with worker:
            for kill in range(KILLS):
                if kill:
                    worker.start()
                wanted = reports() + BETWEEN_KILLS
                # The lease of the one that was killed ends by itself: until then a run is skipped.
                wait_until(lambda: not client.exists("djust:lease:cleanup"), what="the lease to end")
                queue()
                wait_until(lambda wanted=wanted: reports() >= wanted, what=f"sweep {kill} to get on", pause=0.002)
                worker.kill()
            worker.start()
            wait_until(lambda: not client.exists("djust:lease:cleanup"), what="the lease to end")
            while backend.count_due():
                queue()
                wait_until(lambda: runs_in(database)[-1][0] in ("done", "partial"), what="the last sweep")
            # A run closes what was killed before it after it has closed itself.
            wait_until(lambda: not any(row[0] == "running" for row in runs_in(database)), what="the killed to close")
        sent = client.lrange("reports", 0, -1)
    check(sent, backend, runs_in(database))


def check(sent: list[bytes], backend: RedisStateBackend, runs: list[tuple[str, int, dict[str, int]]]) -> None:
    """Compare what was sent with what there was."""
    unreported = sum(figures.get("unreported", 0) for _, _, figures in runs)
    print(f"sent {len(sent)}, unreported {unreported}, runs {Counter(outcome for outcome, _, _ in runs)}")
    assert len(sent) == len(set(sent))
    assert all(key.startswith(b"due") for key in sent)
    assert len(sent) >= 0.99 * DUE
    assert DUE <= len(sent) + unreported <= DUE + KILLS * 25
    assert backend.get_stats()["total_sessions"] == LIVE
    assert all(backend.get(f"live{n}") is not None for n in range(LIVE))
    assert backend.backlog().sessions == 0
    outcomes = Counter(outcome for outcome, _, _ in runs)
    assert outcomes["killed"] == KILLS
