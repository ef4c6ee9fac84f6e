"""docs/live-views.md and the README, followed literally: a new project, each snippet in its file, and a server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from djust.testing.live_client import LiveClient
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/live-views.md").read_text()
README = (ROOT / "README.md").read_text()
_SNIPPET = re.compile(
    r"^```(python|html)\n(?:# |\{# )([\w/.]+\.(?:py|html))[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
#: What a snippet adds to, rather than being all of it: what startproject wrote.
_ADDED_TO = ("myproject/settings.py", "myproject/urls.py")


def snippets(page: str) -> dict[str, str]:
    """Return what a page puts into each file: its snippets one after the other."""
    files: dict[str, str] = {}
    for _, name, text in _SNIPPET.findall(page):
        # Three dots stand for what is there.
        files[name] = files.get(name, "") + re.sub(r"^(\w+) = \[\.\.\., ", r"\1 = [*\1, ", text, flags=re.MULTILINE)
    return files


def commands(page: str) -> list[str]:
    """Return the lines that a reader types into a shell."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command of Django and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=cwd, env=child_environment(env)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def follow(page: str, root: Path, env: dict[str, str] | None = None) -> Path:
    """Start a project, do what a page says, and return where it lies."""
    run("-m", "django", "startproject", "myproject", cwd=root)
    folder = root / "myproject"
    for name, text in snippets(page).items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if name in _ADDED_TO else ""
        file.write_text(before + text)
    run("manage.py", "migrate", cwd=folder, env=env)
    return folder


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
    assert len(_SNIPPET.findall(PAGE)) == len(re.findall(r"^```(?:python|html)$", PAGE, re.MULTILINE))


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
