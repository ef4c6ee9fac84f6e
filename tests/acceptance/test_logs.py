"""What web, worker and beat print: the events of the clean-up, and never a secret."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from djust.state_backend import RedisStateBackend
from djust.testing.live_client import Disconnected, LiveClient
from tests.acceptance.conftest import EXAMPLE, Site
from tests.acceptance.support import CLEAN_UP, count, events, every_second, history
from tests.integration.redis_support import payload_name
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

MakeSite = Callable[..., Site]
Servers = Callable[..., RedisServer]

PASSWORD, KEY, OWNER, STATE, BROKER = (
    f"canary-{word}-7f3a" for word in ("password", "key", "owner", "state", "broker")
)
HASH = re.compile(r"[0-9a-f]{16}")


def test_worker_beat_and_web_print_json(site: MakeSite) -> None:
    made = site(LOG_LEVEL="DEBUG")
    every_second(made, CLEAN_UP)
    web, worker, beat = made.web(), made.worker(), made.beat()
    assert httpx.get(web.url).status_code == 200
    with_ttl = "from djust.state_backend import get_backend as b; b().set('k', {}, ttl=0.01, owner='ada', label='a.B')"
    made.manage("shell", "-c", with_ttl)
    wait_until(lambda: count(worker.process, "session_expired"), what="the report")
    wait_until(lambda: sum(row.removed for row in history(made, outcome="done")), what="the end of the run")
    [run] = [row for row in history(made) if row.removed]
    started, expired, finished = (
        [event for event in events(worker.process, name) if event.get("task_id") == run.task_id]
        for name in ("cleanup_started", "session_expired", "cleanup_finished")
    )
    assert len(started) == len(expired) == len(finished) == 1
    assert expired[0] | {"label": "a.B", "cause": "idle", "level": "debug"} == expired[0]
    assert HASH.fullmatch(expired[0]["session"])
    assert HASH.fullmatch(expired[0]["owner"])
    wanted = {
        "backend": "redis",
        "trigger": "beat",
        "removed": 1,
        "remaining": 0,
        "level": "info",
        "logger": "djust.state_backend",
        "task": "djust.tasks.cleanup_expired_sessions",
    }
    assert finished[0] | wanted == finished[0]
    assert finished[0]["scanned"] >= 1
    assert finished[0]["duration_ms"] > 0
    assert started[0]["trigger"] == "beat"
    [created] = events(web.process, "session_created")
    assert HASH.fullmatch(created["session"])
    for process, ready in ((web.process, "{"), (worker.process, " ready."), (beat.process, "beat: Starting")):
        lines = process.output().splitlines()[:-1]
        first = next(number for number, line in enumerate(lines) if ready in line)
        # Celery prints its banner without asking anybody how to log.
        assert not [line for line in lines[:first] if "arning" in line and not line.startswith("{")]
        assert not [line for line in lines[first:] if not line.startswith("{")]
        assert all({"event", "level", "logger", "timestamp"} <= json.loads(line).keys() for line in lines[first:])
    assert any(event["logger"].startswith("celery") for event in events(worker.process))
    assert any(event["logger"].startswith(("celery", "django_celery_beat")) for event in events(beat.process))
    assert any(event["logger"].startswith("uvicorn") for event in events(web.process))


def test_all_three_print_coloured_lines_for_people(site: MakeSite) -> None:
    made = site(LOG_FORMAT="console", LOG_LEVEL="DEBUG", NO_COLOR="")
    every_second(made, CLEAN_UP)
    web, worker, beat = made.web(), made.worker(), made.beat()
    assert httpx.get(web.url).status_code == 200
    for process, event in ((web, "session_created"), (worker, "cleanup_finished"), (beat, "Sending due task")):
        [line] = process.process.wait_for_output(rf"^.*{event}.*$")[:1]
        assert "\x1b[" in line
        assert not line.startswith("{")


class Canaries:
    """A site whose secrets are easy to find, and everything that it has said."""

    def __init__(self, site: MakeSite, servers: Servers) -> None:
        self.state = servers(password=PASSWORD, persist=True)
        self.site = site(state=self.state, broker=servers(password=BROKER), LOG_LEVEL="DEBUG", SESSION_TTL="600")
        every_second(self.site, CLEAN_UP)
        self.web, self.worker, self.beat = self.site.web(), self.site.worker(), self.site.beat()
        self.backend = RedisStateBackend(self.state.url)
        self.client = httpx.Client(base_url=self.web.url, timeout=30)
        self.loop = asyncio.Runner()
        self.page = self.loop.run(LiveClient.open(self.web.url, "/plan/"))
        self.type(STATE)
        [session] = self.backend.iter_sessions()
        self.page_key = session.key
        self.secrets = [PASSWORD, KEY, OWNER, STATE, BROKER, self.page_key]
        self.said: list[str] = []

    def type(self, text: str) -> dict[str, Any]:
        """Type into a page that somebody has open, and return the answer."""
        return self.loop.run(self.page.event("check", step="where", destination=text, kind="beach"))

    def answers(self) -> list[httpx.Response]:
        """Ask for everything that tells how the store is, and for a page."""
        paths = ("djust/health/", "djust/health/ready/", "djust/health/live/", "")
        found = [self.client.get(f"/{path}") for path in paths]
        self.said += [answer.text for answer in found]
        return found

    def command(self) -> int:
        """Run the command, and return its status."""
        done = subprocess.run(
            [sys.executable, "manage.py", "cleanup_sessions"],
            check=False,
            capture_output=True,
            text=True,
            cwd=EXAMPLE,
            env=child_environment(self.site.env),
        )
        self.said.append(done.stdout + done.stderr)
        return done.returncode

    def trouble(self, words: str) -> None:
        """Wait until the web server and the worker have met trouble, and the history says which."""
        wait_until(lambda: words in self.answers()[0].text, what=f"the web server to say {words!r}")
        self.answers()
        wait_until(lambda: any(words in row.error for row in history(self.site)), what=f"a run with {words!r}")

    def well(self) -> None:
        """Wait until all is well again."""
        wait_until(lambda: self.answers()[0].status_code == 200, what="the web server to recover")
        done = len(history(self.site, outcome="done"))
        wait_until(lambda: len(history(self.site, outcome="done")) > done, what="the worker to recover")

    def check(self) -> None:
        """Look for secrets in all that was said."""
        rows = [str(row) for row in history(self.site)]
        printed = [process.process.output() for process in (self.web, self.worker, self.beat)]
        for text in [*self.said, *rows, *printed]:
            for secret in self.secrets:
                at = text.find(secret)
                assert at < 0, text[max(0, at - 300) : at + 100]


@pytest.fixture
def canaries(site: MakeSite, redis_server: Servers) -> Iterator[Canaries]:
    """A running site."""
    found = Canaries(site, redis_server)
    with found.client, found.loop, closing(found.backend):
        yield found


def test_no_secret_is_ever_told(canaries: Canaries) -> None:
    for number in range(3):
        canaries.backend.set(f"{KEY}-{number}", {"s": STATE}, ttl=0.01, owner=OWNER)
    wait_until(lambda: count(canaries.worker.process, "session_expired") == 3, what="the reports")
    assert [answer.status_code for answer in canaries.answers()] == [200] * 4

    # A payload that nobody can read, and that shows a secret to whoever quotes it.
    name = payload_name("djust:", canaries.page_key)
    with canaries.state.client() as client:
        payload = client.get(name)
        client.set(name, f"{STATE} {KEY} {OWNER}", keepttl=True)
        with pytest.raises(Disconnected):
            canaries.loop.run(canaries.page.reconnect())
        assert count(canaries.web.process, "session_undecodable") == 1
        client.set(name, payload, keepttl=True)
        canaries.loop.run(canaries.page.reconnect())
        assert STATE in canaries.page.html
        refused(canaries)
    canaries.state.kill()
    canaries.trouble("cannot be reached")
    assert canaries.command() == 1
    canaries.state.start()
    canaries.well()
    for process in (canaries.web.process, canaries.worker.process):
        assert count(process, "backend_unavailable") == count(process, "backend_recovered") >= 2
    canaries.check()


def refused(canaries: Canaries) -> None:
    """Let Redis refuse the password, then the command, then the write."""
    state = canaries.state
    with state.client() as client:
        client.config_set("requirepass", "another")
        client.client_kill_filter(_type="normal", skipme=True)
        canaries.trouble("refused the user or the password")
        assert canaries.command() == 1
        client.config_set("requirepass", PASSWORD)
        canaries.well()

        client.execute_command("ACL", "SETUSER", "default", "-evalsha", "-eval")
        canaries.trouble("refused a command")
        client.execute_command("ACL", "SETUSER", "default", "+@all")
        canaries.well()

        client.config_set("maxmemory", "1mb")
        client.config_set("maxmemory-policy", "noeviction")
        canaries.loop.run(canaries.page.reconnect())
        assert canaries.type(f"{STATE} or elsewhere")["t"] == "error"
        assert count(canaries.web.process, "live_state_not_stored")
        client.config_set("maxmemory", "0")
        canaries.well()
