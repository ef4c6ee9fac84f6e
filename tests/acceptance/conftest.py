"""The example as it runs in production: its tables, its web server, its worker and its beat, on servers of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.chromium import Chromium
from tests.acceptance.live_fleet import Fleet
from tests.live_site.serving import serve
from tests.servers.celery_processes import CeleryBeat, CeleryWorker
from tests.servers.process import child_environment
from tests.servers.reaper import get_reaper
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer

EXAMPLE = Path(__file__).resolve().parents[2] / "example"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "only-for-tests"}


class Site:
    """The example with an environment. What it starts ends with the test."""

    def __init__(self, stack: ExitStack, environment: dict[str, str]) -> None:
        self._stack = stack
        self.env = environment

    def manage(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run a management command and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=EXAMPLE,
            env=child_environment({**self.env, **(env or {})}),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def web(self, **env: str) -> UvicornServer:
        """Start a web server."""
        return self._stack.enter_context(
            UvicornServer("config.asgi:application", cwd=EXAMPLE, env={**self.env, **env})
        )

    def worker(self, *, env: dict[str, str] | None = None, **options: Any) -> CeleryWorker:
        """Start a worker."""
        return self._stack.enter_context(
            CeleryWorker("config", cwd=EXAMPLE, env={**self.env, **(env or {})}, **options)
        )

    def beat(self, *, env: dict[str, str] | None = None, **options: Any) -> CeleryBeat:
        """Start a beat."""
        return self._stack.enter_context(CeleryBeat("config", cwd=EXAMPLE, env={**self.env, **(env or {})}, **options))


def make_site(stack: ExitStack, directory: Path, *, state: RedisServer, broker: RedisServer, **env: str) -> Site:
    """Make a migrated site whose database lies in a directory."""
    made = Site(
        stack,
        {
            **SETTINGS,
            "DATABASE_URL": f"sqlite:///{directory / 'db.sqlite3'}",
            "STATE_BACKEND": "redis",
            "REDIS_URL": state.url,
            "CELERY_BROKER_URL": broker.url,
            "LOG_FORMAT": "json",
            **env,
        },
    )
    if "DATABASE_URL" in env:
        made.manage("migrate", "--verbosity", "0")
    else:
        shutil.copy(migrated(), directory / "db.sqlite3")
    return made


@cache
def migrated() -> Path:
    """Return a database file of the example as ``migrate`` leaves it."""
    path = get_reaper().new_directory("migrated") / "db.sqlite3"
    with ExitStack() as stack:
        Site(stack, {**SETTINGS, "DATABASE_URL": f"sqlite:///{path}"}).manage("migrate", "--verbosity", "0")
    return path


@pytest.fixture
def site(redis_server: Callable[..., RedisServer], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a migrated site: ``site(state=server, broker=server, SESSION_TTL="2")``; servers not given are started."""
    with ExitStack() as stack:

        def make(*, state: RedisServer | None = None, broker: RedisServer | None = None, **env: str) -> Site:
            return make_site(stack, tmp_path, state=state or redis_server(), broker=broker or redis_server(), **env)

        yield make


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for the tests of a file."""
    with Chromium() as started:
        yield started


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where a server of ``tests.live_site`` serves it, for the tests of a file."""
    with serve() as web:
        yield web.url


@pytest.fixture(scope="session")
def _fleet() -> Iterator[Fleet]:
    with Fleet() as started:
        yield started


@pytest.fixture
def fleet(_fleet: Fleet) -> Iterator[Fleet]:
    """Three web servers of ``tests.survival_site`` behind nginx, with a Redis that forgets nothing.

    All of them may be ended: what has ended is started again for the next test.
    """
    yield _fleet
    _fleet.mend()
