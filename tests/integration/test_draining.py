"""A server that is told to end says so to the balancer first, and serves on until that had time to act."""

from __future__ import annotations

import asyncio
import signal

import httpx

from djust.live_view.protocol import Close
from djust.testing.live_client import LiveClient
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until


def status(server: UvicornServer) -> int:
    """Return what a balancer that asks is told."""
    return httpx.get(f"{server.url}/health/ready/").status_code


async def test_ready_fails_before_sockets_close() -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.integration.draining_settings"}
    with UvicornServer("tests.live_site.asgi:application", env=settings) as server:
        client = await LiveClient.open(server.url, "/")
        assert await asyncio.to_thread(status, server) == 200
        server.process.send(signal.SIGTERM)
        await asyncio.to_thread(wait_until, lambda: status(server) == 503, what="it to be unready")
        assert (await client.event("increment"))["t"] == "update"
        late = await LiveClient.open(server.url, "/")
        assert await asyncio.to_thread(lambda: httpx.get(f"{server.url}/health/live/").status_code) == 200
        async with asyncio.timeout(30):
            assert await client.closed() == Close.RESTARTING
            assert await late.closed() == Close.RESTARTING
        await asyncio.to_thread(wait_until, lambda: not server.process.running, what="it to end")
