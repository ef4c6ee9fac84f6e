"""gunicorn with the shipped gunicorn.conf.py: its worker's options, and how it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.acceptance.gunicorn_server import GunicornServer
from tests.servers.ports import HOST
from tests.servers.waiting import wait_until

APP = "tests.acceptance.proxied_app:application"


@pytest.fixture
def gunicorn() -> Iterator[Callable[..., GunicornServer]]:
    """Start it."""
    with ExitStack() as stack:

        def start(**variables: str) -> GunicornServer:
            return stack.enter_context(GunicornServer(APP, **variables))

        yield start


def socket_of(server: GunicornServer) -> ClientConnection:
    """Open a WebSocket."""
    return connect(f"ws://{HOST}:{server.port}/")


@pytest.mark.parametrize(("variable", "compressed"), [("0", False), ("1", True)])
def test_compression_is_off_unless_asked_for(gunicorn, variable, compressed):
    with socket_of(gunicorn(WS_COMPRESSION=variable)) as opened:
        assert bool(opened.protocol.extensions) is compressed


def test_a_frame_that_is_too_large_is_not_read_to_its_end(gunicorn):
    with socket_of(gunicorn()) as opened:
        opened.recv(timeout=30)
        opened.send("x" * 300_000)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd.code == 1009


def test_sockets_are_told_of_a_restart_and_gunicorn_ends_in_good_order(gunicorn):
    server = gunicorn()
    with socket_of(server) as opened:
        opened.recv(timeout=30)
        server.process.send(signal.SIGTERM)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd.code == 1012
    wait_until(lambda: not server.process.running, what="gunicorn to end")
    assert server.process.returncode == 0


def test_a_reload_replaces_the_workers_and_keeps_listening(gunicorn):
    server = gunicorn()
    with socket_of(server) as opened:
        before = json.loads(opened.recv(timeout=30))["pid"]
        server.process.send(signal.SIGHUP)
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
        assert closed.value.rcvd.code == 1012
        with socket_of(server) as again:
            assert json.loads(again.recv(timeout=30))["pid"] != before
    server.process.check_running()


def test_every_line_of_its_log_is_json(gunicorn):
    server = gunicorn(LOG_FORMAT="json")
    with socket_of(server) as opened:
        opened.recv(timeout=30)
    httpx.get(f"http://{HOST}:{server.port}/asked")
    server.process.wait_for_output("GET /asked")
    server.process.stop()
    lines = server.process.output().splitlines()
    assert any("Listening at" in line for line in lines)
    assert all(line.startswith("{") and line.endswith("}") for line in lines), lines
