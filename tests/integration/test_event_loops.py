"""Connections of event loops that have ended, as ``asyncio.run`` and ``async_to_sync`` leave them."""

from __future__ import annotations

import asyncio
import gc

import pytest
from asgiref.sync import async_to_sync
from django.test import Client, override_settings

from djust.state_backend import RedisStateBackend, get_backend
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until


def connections(server: RedisServer) -> int:
    """Return how many the server counts, without the one that asks."""
    gc.collect()
    with server.client() as client:
        count: int = client.info("clients")["connected_clients"]
    return count - 1


def test_they_do_not_pile_up(redis_server) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    for _ in range(20):
        asyncio.run(backend.aget("key"))
        async_to_sync(backend.aget)("key")
    wait_until(lambda: connections(server) <= 2, what="connections of ended loops to close")
    backend.close()


@pytest.mark.django_db(transaction=True)
def test_health_under_wsgi_connects_once(redis_server, client: Client) -> None:
    server = redis_server()
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": server.url}):
        with server.client() as asking:
            before = asking.info("stats")["total_connections_received"]
            for address in ("/djust/health/", "/djust/health/ready/") * 10:
                assert client.get(address).status_code == 200
            assert asking.info("stats")["total_connections_received"] - before <= 2
        get_backend().close()
