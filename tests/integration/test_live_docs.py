"""docs/live-views.md, followed literally: a new project, each snippet in its file, its tests, and a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from djust.testing.live_client import LiveClient
from tests.servers.process import child_environment
from tests.servers.uvicorn_server import UvicornServer

PAGE = (Path(__file__).resolve().parents[2] / "docs/live-views.md").read_text()
_SNIPPET = re.compile(
    r"^```(python|html)\n(?:# |\{# )([\w/.]+\.(?:py|html))[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
#: What a snippet adds to, rather than being all of it: what startproject wrote.
_ADDED_TO = ("myproject/settings.py",)


def snippets() -> dict[str, str]:
    """Return what the page puts into each file: its snippets one after the other."""
    files: dict[str, str] = {}
    for _, name, text in _SNIPPET.findall(PAGE):
        files[name] = files.get(name, "") + text
    return files


def commands() -> list[str]:
    """Return the lines that a reader types into a shell."""
    return [
        line
        for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def run(*arguments: str, cwd: Path) -> str:
    """Run a command of Django and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], check=False, capture_output=True, text=True, cwd=cwd, env=child_environment({})
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that a reader has at the end of the page."""
    root = tmp_path_factory.mktemp("docs")
    run("-m", "django", "startproject", "myproject", cwd=root)
    folder = root / "myproject"
    for name, text in snippets().items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        before = file.read_text() if name in _ADDED_TO else ""
        file.write_text(before + text)
    run("manage.py", "migrate", cwd=folder)
    return folder


def test_the_commands_are_those_that_are_run_here() -> None:
    assert commands() == [
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
