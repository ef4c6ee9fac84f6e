"""``djust_doctor`` beside a real worker and a real beat."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.acceptance.conftest import EXAMPLE, Site
from tests.acceptance.support import CLEAN_UP, SAMPLE, every_second, history, query
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

MakeSite = Callable[..., Site]
CANARY = "canary-pa55word"


def doctor(site: Site, *, status: int) -> dict[str, dict[str, Any]]:
    """Run the command as an operator would, and return what it says of each item."""
    done = subprocess.run(
        [sys.executable, "manage.py", "djust_doctor", "--json"],
        check=False,
        capture_output=True,
        text=True,
        cwd=EXAMPLE,
        env=child_environment(site.env),
    )
    assert CANARY not in done.stdout + done.stderr
    assert done.returncode == status, done.stdout + done.stderr
    return {finding["item"]: finding for finding in json.loads(done.stdout)["findings"]}


def standing(found: dict[str, dict[str, Any]], *items: str) -> list[str]:
    """Return how these items stand."""
    return [found[item]["status"] for item in items]


def send_to(site: Site, name: str, queue: str) -> None:
    """Let a schedule use a queue of its own, as its page in the admin would."""
    query(site, "UPDATE django_celery_beat_periodictask SET queue = ? WHERE name = ?", queue, name)


def test_a_site_at_work_and_what_goes_wrong_with_it(site: MakeSite, redis_server: Callable[..., RedisServer]) -> None:
    state = redis_server(password=CANARY, maxmemory="64mb", policy="volatile-lru", persist=True)
    broker = redis_server(password=CANARY)
    made = site(
        state=state,
        broker=broker,
        SECRET_KEY="only-for-tests-abcdefghijklmnopqrstuvwxyz-0123456789",
        BEHIND_HTTPS="1",
        ADMINS="ada@shop.example",
        METRICS_TOKEN=CANARY,
    )
    every_second(made, CLEAN_UP, SAMPLE)
    send_to(made, SAMPLE, "upkeep")
    made.worker()
    made.beat()
    with broker.client() as client:
        wait_until(lambda: client.llen("upkeep"), what="a message that waits")
    wait_until(lambda: history(made, trigger="beat", outcome="done"), what="a run")

    # A queue that nobody consumes: its messages wait, and nothing else shows it.
    found = doctor(made, status=1)
    assert standing(found, "worker.answers", "worker.queues", "schedule.beat") == ["ok", "problem", "ok"]
    assert "queue upkeep, which gets djust.tasks.sample_redis_memory" in found["worker.queues"]["text"]
    assert "in it." in found["worker.queues"]["text"]
    assert "-Q upkeep" in found["worker.queues"]["advice"]

    send_to(made, SAMPLE, "celery")
    found = doctor(made, status=0)
    well = {item for item, finding in found.items() if finding["status"] == "ok"}
    assert set(found) - well == {"settings.checks", "schedule.enabled"}
    assert found["settings.checks"]["text"].startswith("security.W004")
    assert "djust.tasks.check_evictions" in found["schedule.enabled"]["text"]
    assert "worker@" in found["worker.answers"]["text"]
