"""docs/live-views.md and the README do what they say: their projects, their tests, and their pages on a server."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from djust.testing.live_client import LiveClient
from tests.integration.docs_support import PAGE, README, SNIPPET, commands, follow, run
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that a reader of the page has at its end."""
    return follow(PAGE, tmp_path_factory.mktemp("docs"))


def test_the_commands_are_those_that_are_run_here() -> None:
    assert commands(PAGE) == [
        'pip install ".[server]"',
        "django-admin startproject myproject",
        "cd myproject",
        "python manage.py migrate",
        "uvicorn myproject.asgi:application",
    ]


def test_every_python_snippet_is_in_a_file() -> None:
    assert len(SNIPPET.findall(PAGE)) == len(re.findall(r"^```(?:python|html)$", PAGE, re.MULTILINE))


def test_nothing_is_missing(project: Path) -> None:
    assert "System check identified no issues" in run("manage.py", "check", cwd=project)


def test_the_tests_of_the_page_pass(project: Path) -> None:
    told = run("manage.py", "test", cwd=project)
    assert re.search(r"Ran (\d+) tests", told)
    assert f"Ran {PAGE.count('    def test_')} tests" in told


async def test_the_counter_counts(project: Path) -> None:
    with UvicornServer("myproject.asgi:application", cwd=project) as server:
        client = await LiveClient.open(server.url, "/")
        await client.event("increment")
        await client.event("increment", 10)
        assert "<b>11</b>" in client.html
        await client.leave()


async def test_the_counter_of_the_readme_outlives_its_server(
    tmp_path: Path, redis_server: Callable[..., RedisServer]
) -> None:
    env = {"REDIS_URL": redis_server().url, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    folder = follow(README, tmp_path, env)
    assert "System check identified no issues" in run("manage.py", "check", cwd=folder, env=env)
    [command] = [line for line in commands(README) if line.startswith("uvicorn")]
    with UvicornServer(command.split()[1], cwd=folder, env=env) as server:
        client = await LiveClient.open(server.url, "/counter/")
        await client.event("increment")
        server.kill()
        await client.closed()
        server.start()
        await client.reconnect()
        await client.event("increment")
        assert client.html.startswith("2 <button")
        assert httpx.get(f"{server.url}/djust/health/ready/").status_code == 200
