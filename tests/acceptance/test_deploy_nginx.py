"""What the shipped nginx.conf lets through, to whom, and with which headers."""

from __future__ import annotations

import json
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect

from tests.servers.nginx_server import NginxServer
from tests.servers.ports import HOST
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until

APP = "tests.acceptance.proxied_app:application"
OPTIONS = ("--ws", "websockets-sansio", "--forwarded-allow-ips", HOST, "--timeout-graceful-shutdown", "5")


@pytest.fixture
def servers() -> Iterator[list[UvicornServer]]:
    """Three web servers."""
    with ExitStack() as stack:
        yield [stack.enter_context(UvicornServer(APP, arguments=OPTIONS)) for _ in range(3)]


@pytest.fixture
def nginx(servers) -> Iterator[NginxServer]:
    """The plain variant in front of them."""
    with NginxServer([server.port for server in servers]) as started:
        yield started


def open_socket(nginx: NginxServer, **options: Any) -> ClientConnection:
    """Open a WebSocket through nginx."""
    return connect(f"{nginx.url.replace('http', 'ws', 1)}/ws/live/", compression=None, **options)


def heard(opened: ClientConnection) -> dict[str, Any]:
    """Return what the server says first."""
    return json.loads(opened.recv(timeout=30))


def test_a_websocket_reaches_a_web_server_with_the_host_and_port_of_its_page(nginx):
    with open_socket(nginx, origin=nginx.url) as opened:
        said = heard(opened)
    assert said["scheme"] == "ws"
    assert said["headers"]["origin"] == f"http://{said['headers']['host']}"
    assert said["headers"]["upgrade"] == "websocket"
    assert said["client"] == HOST


def test_a_websocket_over_https_is_secure_for_the_web_server_too(servers):
    with NginxServer([server.port for server in servers], https=True) as nginx:
        context = ssl.create_default_context(cafile=str(nginx.certificates.authority))
        with open_socket(nginx, ssl=context) as opened:
            said = heard(opened)
    assert said["scheme"] == "wss"
    assert said["headers"]["x-forwarded-proto"] == "https"


def test_what_the_visitor_says_of_itself_does_not_count(nginx):
    claims = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "X-Real-IP": "192.0.2.7"}
    with open_socket(nginx, additional_headers=claims) as opened:
        said = heard(opened)
    assert said["client"] == said["headers"]["x-forwarded-for"] == said["headers"]["x-real-ip"] == HOST
    assert said["scheme"] == "ws"
    assert httpx.get(nginx.url, headers=claims).json()["client"] == HOST


def test_only_a_websocket_is_an_upgrade(nginx):
    for headers in ({}, {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABk"}):
        passed_on = httpx.get(nginx.url, headers=headers).json()["headers"]
        assert not {"upgrade", "connection"} & set(passed_on)


def test_sockets_are_spread_and_those_of_a_lost_server_are_taken_by_the_others(nginx, servers):
    with ExitStack() as stack:
        opened = [stack.enter_context(open_socket(nginx)) for _ in range(12)]
        said = [heard(one)["pid"] for one in opened]
        assert sorted(Counter(said).values()) == [4, 4, 4]
        lost = servers[0].process.pid
        servers[0].kill()
        for one, pid in zip(opened, said, strict=True):
            if pid == lost:
                with pytest.raises(ConnectionClosedError):
                    one.recv(timeout=30)
        again = [heard(stack.enter_context(open_socket(nginx)))["pid"] for _ in range(4)]
        assert sorted(Counter([*said, *again]).values()) == [4, 6, 6]
        servers[0].start()
        # It has no sockets, so it is given the next ones, as soon as nginx tries it again.
        wait_until(lambda: heard(stack.enter_context(open_socket(nginx)))["pid"] == servers[0].process.pid)


def test_a_server_that_stops_tells_the_browser_that_it_restarts(nginx, servers):
    with open_socket(nginx) as opened:
        heard(opened)
        for server in servers:
            server.process.stop()
        with pytest.raises(ConnectionClosedError) as closed:
            opened.recv(timeout=30)
    assert closed.value.rcvd.code == 1012


def test_a_new_configuration_is_taken_without_closing_a_socket(nginx, servers):
    with open_socket(nginx) as opened:
        heard(opened)
        nginx.reload([servers[1].port])
        assert {httpx.get(nginx.url).json()["pid"] for _ in range(10)} == {servers[1].process.pid}
        with open_socket(nginx) as another:
            assert heard(another)["pid"] == servers[1].process.pid
        opened.ping().wait(timeout=30)


def test_a_body_that_is_too_large_is_refused(nginx):
    assert httpx.post(nginx.url, content=b"x" * 2_000_000).status_code == 413


def test_nginx_says_neither_its_version_nor_what_is_searched_for(nginx):
    answer = httpx.get(f"{nginx.url}/?q=secret")
    assert answer.headers["server"] == "nginx"
    wait_until(lambda: '"path":"/"' in nginx.access_log(), what="the line of the request")
    assert "secret" not in nginx.access_log()
    # Before any request is understood, too.
    with socket.create_connection((HOST, nginx.port), timeout=30) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b"Server: nginx\r\n" in raw.recv(4096)
