"""LiveViews in the deployment: wss through nginx, gunicorn with its shipped file, state in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from djust.testing import LiveClient
from djust.testing.live_client import Disconnected
from tests.acceptance.gunicorn_server import GunicornServer
from tests.servers.nginx_server import NginxServer
from tests.servers.redis_server import RedisServer

APP = "tests.integration.live_client_app:application"
CLIENTS = 12


@pytest.fixture
def servers(redis7: RedisServer) -> Iterator[list[GunicornServer]]:
    """Three web servers with one Redis."""
    with ExitStack() as stack:
        yield [stack.enter_context(GunicornServer(APP, REDIS_URL=redis7.url)) for _ in range(3)]


@pytest.fixture
def nginx(servers: list[GunicornServer], monkeypatch: pytest.MonkeyPatch) -> Iterator[NginxServer]:
    """nginx in front of them, with a certificate that this process trusts."""
    with NginxServer([server.port for server in servers], https=True) as started:
        assert started.certificates is not None
        monkeypatch.setenv("SSL_CERT_FILE", str(started.certificates.authority))
        yield started


async def test_a_page_joins_over_https(nginx: NginxServer) -> None:
    client = await LiveClient.open(nginx.url, "/")
    await client.event("add", by=2)
    assert "<b>2</b>" in client.html
    await client.leave()


async def test_a_foreign_page_does_not(nginx: NginxServer) -> None:
    with pytest.raises(Disconnected) as refused:
        await LiveClient.open(nginx.url, "/", origin="https://example.org")
    assert refused.value.code == 4403


async def test_every_page_keeps_its_state_while_the_servers_are_replaced(
    nginx: NginxServer, servers: list[GunicornServer]
) -> None:
    replaced = asyncio.Event()
    codes: list[int] = []

    async def use(client: LiveClient) -> int:
        """Count until all servers are replaced, and return how far."""
        events = 0
        while not replaced.is_set() or events < 10:
            try:
                await client.event("add")
            except Disconnected as lost:
                codes.append(lost.code)
                # It sends again what was not answered.
                await client.reconnect()
            events += 1
            # Faster than FRAME_RATE would be refused.
            await asyncio.sleep(0.05)
        return events

    clients = [await LiveClient.open(nginx.url, "/") for _ in range(CLIENTS)]
    using = [asyncio.create_task(use(client)) for client in clients]
    for server in servers:
        assert await asyncio.to_thread(server.terminate) == 0
        await asyncio.to_thread(server.start)
    replaced.set()
    for client, events in zip(clients, await asyncio.gather(*using), strict=True):
        assert f"<b>{events}</b>" in client.html
        await client.leave()
    assert len(codes) >= CLIENTS
    assert set(codes) == {1012}
