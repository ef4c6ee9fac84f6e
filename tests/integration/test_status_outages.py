"""What web servers say of maintenance while their database hangs or refuses, and that they agree while it does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.postgres import ROLE, Postgres
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Site:
    """Two web servers on one database, the second of which reaches it through a proxy."""

    direct: UvicornServer
    proxied: UvicornServer
    proxy: TcpProxy

    def metrics(self, server: UvicornServer) -> dict[tuple[str, tuple[str, ...]], float]:
        """Return the figures of a server by name and labels."""
        answer = httpx.get(f"{server.url}/djust/metrics/", timeout=30).raise_for_status()
        families = text_string_to_metric_families(answer.text)
        return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


@pytest.fixture(scope="module")
def site(postgres: Postgres, redis7: RedisServer) -> Iterator[Site]:
    """Start them, after seven sessions were lost."""
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.commands.settings",
        "TEST_DATABASE_URL": postgres.create_database("status_outages"),
        "TEST_DJUST_CONFIG": json.dumps(
            {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": "status-outages:"}
        ),
    }
    migrate = [sys.executable, "-m", "django", "migrate", "-v0"]
    subprocess.run(migrate, check=True, capture_output=True, cwd=ROOT, env=child_environment(env))
    with psycopg.connect(env["TEST_DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO djust_total (name, value) VALUES ('sessions_lost:evicted', 7)")
    with TcpProxy(postgres.host, postgres.port) as proxy:
        through = f"postgres://{ROLE}@{proxy.host}:{proxy.port}/status_outages"
        app, arguments = "django.core.asgi:get_asgi_application", ["--factory"]
        with (
            UvicornServer(app, arguments=arguments, cwd=ROOT, env=env) as direct,
            UvicornServer(app, arguments=arguments, cwd=ROOT, env={**env, "TEST_DATABASE_URL": through}) as proxied,
        ):
            yield Site(direct, proxied, proxy)


async def test_health_is_neither_delayed_nor_broken(site: Site) -> None:
    proxy = site.proxy
    async with httpx.AsyncClient(base_url=f"{site.proxied.url}/djust/", timeout=30) as http, asyncio.timeout(60):

        async def maintenance() -> str:
            answer = await http.get("health/")
            assert answer.status_code == 200
            found: str = answer.json()["maintenance"]["status"]
            return found

        assert await maintenance() == "never"
        await sync_to_async(proxy.blackhole)()
        waiting = asyncio.create_task(maintenance())
        # The event loop is free meanwhile, for what needs no database.
        while not waiting.done():
            assert (await http.get("health/live/")).status_code == 200
        assert await waiting == "unknown"
        # Who asks while the database still hangs is told so at once, by the same thread and connection.
        connections = proxy.connections
        assert [await maintenance() for _ in range(5)] == ["unknown"] * 5
        assert proxy.connections == connections
        await sync_to_async(proxy.restore)()
        while await maintenance() != "never":
            pass
        await sync_to_async(proxy.refuse)()
        assert await maintenance() == "unknown"
        await sync_to_async(proxy.restore)()


def test_web_processes_count_alike_and_say_when_the_database_is_away(site: Site) -> None:
    first, second = site.metrics(site.direct), site.metrics(site.proxied)
    counters = {name for name in first if name[0].endswith("_total")}
    assert {name: first[name] for name in counters} == {name: second[name] for name in counters}
    assert first["djust_sessions_lost_total", ("evicted",)] == 7
    for away in (site.proxy.blackhole, site.proxy.refuse):
        away()
        found = site.metrics(site.proxied)
        assert [found[f"djust_{name}", ()] for name in ("database_up", "store_up", "sessions_live")] == [0, 1, 0]
        assert not [name for name, _ in found if name.endswith("_total")]
        site.proxy.restore()
        wait_until(lambda: site.metrics(site.proxied)["djust_database_up", ()] == 1, what="the database to be seen")
