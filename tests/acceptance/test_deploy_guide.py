"""The two commands of the deployment guide that start a server: they work as printed, with `djust[server]`."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import EXAMPLE, SETTINGS
from tests.servers.ports import HOST, free_port
from tests.servers.process import Process, child_environment
from tests.servers.waiting import wait_until

UVICORN = """
uvicorn myproject.asgi:application \
    --host 0.0.0.0 \
    --port 8000 \
    --workers 4 \
    --loop uvloop \
    --ws websockets \
    --log-level warning \
    --access-log
"""
GUNICORN = """
gunicorn myproject.asgi:application \
    -k uvicorn.workers.UvicornWorker \
    --workers 4 \
    --bind 0.0.0.0:8000 \
    --log-level warning
"""
REQUEST = "GET /djust/health/live/ HTTP"


class Served:
    """A command of the guide that serves the example, on a port of its own."""

    def __init__(self, command: str, directory: Path) -> None:
        self.port = free_port()
        words = command.replace("0.0.0.0", HOST).replace("8000", str(self.port)).replace("myproject", "config")
        program, *arguments = shlex.split(words)
        self.process = Process(
            program,
            [str(Path(sys.executable).parent / program), *arguments],
            log=directory / program,
            env=child_environment({**SETTINGS, "DATABASE_URL": f"sqlite:///{directory / 'db'}"}),
            cwd=EXAMPLE,
        )

    def ask(self) -> httpx.Response | None:
        """Return the answer of a server that is there; nothing while it is not."""
        self.process.check_running()
        try:
            socket.create_connection((HOST, self.port), timeout=5).close()
        except OSError:
            return None
        return httpx.get(f"http://{HOST}:{self.port}/djust/health/live/", timeout=60)


@pytest.fixture
def served(tmp_path) -> Iterator[Callable[[str], Served]]:
    """Start a command of the guide."""
    with ExitStack() as stack:

        def start(command: str) -> Served:
            started = Served(command, tmp_path)
            stack.callback(started.process.kill)
            return started

        yield start


def test_uvicorn_as_in_the_guide_whose_log_level_silences_its_access_log(served):
    server = served(UVICORN)
    assert wait_until(server.ask, what="uvicorn").status_code == 200
    assert REQUEST not in server.process.output()


def test_uvicorn_without_that_level_logs_requests(served):
    server = served(UVICORN.replace("--log-level warning", ""))
    assert wait_until(server.ask, what="uvicorn").status_code == 200
    server.process.wait_for_output(REQUEST)


def test_gunicorn_as_in_the_guide(served):
    server = served(GUNICORN)
    assert wait_until(server.ask, what="gunicorn").status_code == 200
