"""Three web servers behind nginx that share one Redis, and what their tests do with them."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, Self

import httpx
import redis

from djust.state_backend import RedisStateBackend
from tests.servers import binaries
from tests.servers.nginx_server import NginxServer
from tests.servers.ports import HOST
from tests.servers.process import child_environment
from tests.servers.reaper import get_reaper
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until

#: What the shipped gunicorn.conf.py tells uvicorn; a shorter time to end in.
ARGUMENTS = (
    *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio", "--no-server-header"),
    *("--ws-per-message-deflate", "false", "--forwarded-allow-ips", HOST, "--no-access-log"),
    *("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "5"),
)
WHO = ("ada", "secret")


class Fleet:
    """A site on several servers. Leaving the context ends everything.

    Args:
        site: The package of the site.
        count: How many servers.
        env: More variables of all servers.
    """

    def __init__(
        self, site: str = "tests.survival_site", *, count: int = 3, env: Mapping[str, str] | None = None
    ) -> None:
        self.site = site
        self._count = count
        self.env = dict(env or {})
        self.servers: list[UvicornServer] = []
        #: Persistent: what it has answered, it has again after a power cut.
        self.redis = RedisServer(binaries.redis7(), persist=True)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.redis)
            database = get_reaper().new_directory("fleet") / "db.sqlite3"
            shutil.copy(migrated(self.site), database)
            self.env |= {"REDIS_URL": self.redis.url, "DATABASE": str(database)}
            self.servers = [self._server(stack) for _ in range(self._count)]
            with ThreadPoolExecutor() as threads:
                list(threads.map(UvicornServer.start, self.servers))
            self.nginx = stack.enter_context(
                NginxServer([server.port for server in self.servers], static=collected(self.site))
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def mend(self) -> None:
        """Start again what has ended."""
        if not self.redis.process.running:
            self.redis.start()
        with ThreadPoolExecutor() as threads:
            list(threads.map(UvicornServer.start, [one for one in self.servers if not one.process.running]))

    @property
    def url(self) -> str:
        """Where nginx serves the site."""
        return self.nginx.url

    def another(self, stack: ExitStack, **env: str) -> UvicornServer:
        """Start one more server with other variables, which nginx does not know of. It ends with ``stack``."""
        server = self._server(stack, **env)
        server.start()
        return server

    def serving(self, pid: int) -> UvicornServer:
        """Return the server whose process has this number."""
        return next(server for server in self.servers if server.process.pid == pid)

    def pages_of(self, server: UvicornServer) -> int:
        """Return how many pages the sockets of a server show."""
        return int(httpx.get(f"{server.url}/sockets/", timeout=30).json()["pages"])

    def sockets_of(self, server: UvicornServer) -> int:
        """Return how many sockets a server looks after."""
        return int(httpx.get(f"{server.url}/sockets/", timeout=30).json()["sockets"])

    def nginx_serves(self) -> int:
        """Return the process that nginx passes a request on to; 0: there is none."""
        answer = httpx.get(f"{self.url}/sockets/", timeout=30)
        return int(answer.json()["pid"]) if answer.is_success else 0

    def effects(self, name: str) -> int:
        """Return how often handlers did what they do besides their state."""
        with self.redis.client() as client:
            return int(client.get(name) or 0)

    def store(self) -> RedisStateBackend:
        """Return the store of the site. Close it."""
        return RedisStateBackend(self.redis.url)

    def take_snapshot(self) -> Path:
        """Return a copy of what Redis has on disk, which ``go_back`` takes."""
        copy = get_reaper().new_directory("snapshot") / "appendonlydir"
        shutil.copytree(self.redis.directory / "appendonlydir", copy)
        return copy

    def go_back(self, snapshot: Path) -> None:
        """Kill Redis, and let it start with what it had earlier."""
        self.redis.kill()
        shutil.rmtree(self.redis.directory / "appendonlydir")
        shutil.copytree(snapshot, self.redis.directory / "appendonlydir")
        self.redis.start()

    def client(self) -> redis.Redis:
        """Return a connection to Redis. Close it."""
        return self.redis.client()

    def _server(self, stack: ExitStack, **env: str) -> UvicornServer:
        server = UvicornServer(f"{self.site}.asgi:application", env={**self.env, **env}, arguments=ARGUMENTS)
        stack.callback(end, server)
        return server


def options(**changed: Any) -> str:
    """Return settings of djust for the variable ``OPTIONS``."""
    return json.dumps(changed)


def end(server: UvicornServer) -> None:
    """End a server at once, if it was ever started."""
    if server._process is not None:
        server.kill()


def terminate(server: UvicornServer) -> None:
    """Ask a server to end, and wait until it has."""
    server.process.send(signal.SIGTERM)
    wait_until(lambda: not server.process.running, what="the server to end")


@cache
def migrated(site: str) -> Path:
    """Return a database of a site with the user ``WHO``, who may do everything."""
    path = get_reaper().new_directory("migrated") / "db.sqlite3"
    _manage(site, "migrate", "--verbosity", "0", DATABASE=str(path))
    _manage(
        site,
        *("createsuperuser", "--no-input", "--verbosity", "0"),
        DATABASE=str(path),
        DJANGO_SUPERUSER_USERNAME=WHO[0],
        DJANGO_SUPERUSER_PASSWORD=WHO[1],
        DJANGO_SUPERUSER_EMAIL="ada@example.com",
    )
    with sqlite3.connect(path) as connection:
        # Servers read while another writes.
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return path


@cache
def collected(site: str) -> Path:
    """Return the static files of a site."""
    directory = get_reaper().new_directory("static")
    _manage(site, "collectstatic", "--no-input", "--verbosity", "0", STATIC_ROOT=str(directory))
    return directory


def _manage(site: str, *arguments: str, **env: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=child_environment({"DJANGO_SETTINGS_MODULE": f"{site}.settings", **env}),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def proxied(stack: ExitStack, server: UvicornServer) -> tuple[TcpProxy, str]:
    """Put a proxy before a server, and return it with its URL."""
    proxy = stack.enter_context(TcpProxy(server.host, server.port))
    return proxy, f"http://{proxy.host}:{proxy.port}"
