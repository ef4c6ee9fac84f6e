"""Simulated visitors: they find what they left, and they notice when it is lost."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis

from djust.state_backend import RedisStateBackend
from tests.acceptance.conftest import EXAMPLE
from tests.servers.nginx_server import NginxServer
from tests.servers.process import child_environment
from tests.servers.waiting import wait_until


@contextmanager
def simulator(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Let visitors come whose pages live for three seconds unless told otherwise. They say now and then how it is."""
    command = [sys.executable, "simulator.py", url, "--ttl", "3", "--rate", "6", *options]
    with subprocess.Popen(
        command, cwd=EXAMPLE, env=child_environment(), stdout=subprocess.PIPE, text=True
    ) as visitors:
        try:
            yield visitors
        finally:
            visitors.kill()


def say(visitors: subprocess.Popen[str], what: str) -> bool:
    """Wait until the visitors say something, and show what they said until then; false: they ended without a word."""
    for line in visitors.stdout:
        print(line, end="")
        if re.search(what, line):
            return True
    return False


def sent_home(visitors: subprocess.Popen[str], summary: Path) -> dict[str, Any]:
    """Send the visitors home when all is well, and return what happened."""
    visitors.terminate()
    output = visitors.stdout.read()
    print(output)
    assert visitors.wait(timeout=30) == 0, output
    return json.loads(summary.read_text())


def test_visitors_come_and_go_and_find_their_pages(site, tmp_path):
    url = site(SESSION_TTL="3", ACCESS_LOG="0").web().url
    summary = tmp_path / "summary.json"
    with simulator(url, "--summary", str(summary)) as visitors:
        assert say(visitors, r"[1-9]\d* as left")
        tally = sent_home(visitors, summary)
    assert tally["trips"] > 0
    assert tally["seen"] > 0
    assert (tally["lost"], tally["changed"], tally["errors"], tally["cut_off"]) == (0, 0, 0, 0)
    assert tally["came_back"] >= tally["found_as_left"] + tally["found_expired"] > 0


def test_visitors_carry_on_when_their_server_ends(site, tmp_path):
    made = site(SESSION_TTL="20", ACCESS_LOG="0")
    servers = [made.web() for _ in range(3)]
    summary = tmp_path / "summary.json"
    with (
        NginxServer([server.port for server in servers]) as nginx,
        simulator(nginx.url, "--summary", str(summary), "--ttl", "20") as visitors,
    ):
        assert say(visitors, r"[1-9]\d* changes")
        servers[0].kill()
        servers[0].start()
        servers[1].process.send(signal.SIGTERM)
        assert say(visitors, r"[1-9]\d* carried on")
        tally = sent_home(visitors, summary)
    assert tally["cut_off"] >= tally["carried_on"] > 0
    assert (tally["let_down"], tally["lost"], tally["changed"], tally["errors"]) == (0, 0, 0, 0)


def test_visitors_notice_that_their_pages_are_lost(site, redis_server):
    """Or the demo would pass with a store that forgets."""
    state = redis_server()
    url = site(state=state, SESSION_TTL="30", ACCESS_LOG="0").web().url
    with simulator(url, "--ttl", "30") as visitors, redis.Redis.from_url(state.url) as client:
        wait_until(lambda: client.dbsize() > 20)
        state.flush()
        assert say(visitors, r"[1-9]\d* lost")
        visitors.terminate()
        visitors.stdout.read()
        assert visitors.wait(timeout=30) == 1


def test_visitors_who_drive_by_leave_pages_that_end_soon(site, redis_server):
    state = redis_server()
    url = site(state=state, PAGE_TTL="2", ACCESS_LOG="0").web().url
    with simulator(url, "--drive-by", "--rate", "40") as visitors, closing(RedisStateBackend(state.url)) as backend:
        wait_until(lambda: any(backend.iter_sessions()), what="a page")
        page = next(backend.iter_sessions())
        assert page.label == "packing.pages.start.StartPage"
        assert page.expires_at - page.created_at <= timedelta(seconds=2)
        visitors.terminate()
        assert "0 errors" in visitors.stdout.read()
        assert visitors.wait(timeout=30) == 0
