"""gunicorn with the shipped gunicorn.conf.py: its worker's options, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.acceptance.deployment import DEPLOY
from tests.servers.ports import HOST, free_port
from tests.servers.process import Process, child_environment
from tests.servers.waiting import wait_until

APP = "tests.acceptance.proxied_app:application"


class Gunicorn:
    """gunicorn, with variables."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.port = free_port()
        self.process = Process(
            "gunicorn",
            [sys.executable, "-m", "gunicorn", "--config", str(DEPLOY / "gunicorn.conf.py"), APP],
            log=directory / "log",
            env=child_environment({"BIND": f"{HOST}:{self.port}", **variables}),
        )
        wait_until(self._accepts, what="gunicorn")

    @property
    def url(self) -> str:
        """Where its WebSocket is."""
        return f"ws://{HOST}:{self.port}/"

    def _accepts(self) -> bool:
        self.process.check_running()
        try:
            socket.create_connection((HOST, self.port), timeout=5).close()
        except OSError:
            return False
        return True


@pytest.fixture
def gunicorn(tmp_path) -> Iterator[Callable[..., Gunicorn]]:
    """Start it."""
    with ExitStack() as stack:

        def start(**variables: str) -> Gunicorn:
            started = Gunicorn(tmp_path, **variables)
            stack.callback(started.process.kill)
            return started

        yield start


@pytest.mark.parametrize(("variable", "compressed"), [("0", False), ("1", True)])
def test_compression_is_off_unless_asked_for(gunicorn, variable, compressed):
    with connect(gunicorn(WS_COMPRESSION=variable).url) as opened:
        assert bool(opened.protocol.extensions) is compressed


def test_a_frame_that_is_too_large_is_not_read_to_its_end(gunicorn):
    with connect(gunicorn().url) as opened:
        opened.recv(timeout=30)
        opened.send("x" * 300_000)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd.code == 1009


def test_sockets_are_told_of_a_restart_and_gunicorn_ends_in_good_order(gunicorn):
    server = gunicorn()
    with connect(server.url) as opened:
        opened.recv(timeout=30)
        server.process.send(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd.code == 1012
    wait_until(lambda: not server.process.running, what="gunicorn to end")
    assert server.process.returncode == 0


def test_a_reload_replaces_the_workers_and_keeps_listening(gunicorn):
    server = gunicorn()
    with connect(server.url) as opened:
        before = json.loads(opened.recv(timeout=30))["pid"]
        server.process.send(signal.SIGHUP)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
        assert closed.value.rcvd.code == 1012
        with connect(server.url) as again:
            assert json.loads(again.recv(timeout=30))["pid"] != before
    server.process.check_running()


def test_every_line_of_its_log_is_json(gunicorn):
    server = gunicorn(LOG_FORMAT="json")
    with connect(server.url) as opened:
        opened.recv(timeout=30)
    server.process.stop()
    lines = server.process.output().splitlines()
    assert any("Listening at" in line for line in lines)
    assert all(line.startswith("{") and line.endswith("}") for line in lines), lines
