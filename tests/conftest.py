"""Fixtures that give a test real servers.

``redis7``, ``redis6``, ``valkey`` and ``redis_cluster`` are shared by the tests of one process: take a ``key_prefix``
and leave the rest alone. Whoever needs special settings, or wants to kill a server, starts one with ``redis_server``.
"""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.servers import binaries
from tests.servers.binaries import Binary
from tests.servers.postgres import Postgres
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start: what a shell runs in the background ignores it, down to the last child."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Mark what uses the database, by marker or by fixture, so that it can be run on another one.

    What takes longest begins first: last, it would run alone while the other processes have nothing left to do.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") or fixtures & {"db", "transactional_db"}:
            item.add_marker("database")
    yield
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped test fail: what cannot run has not been shown."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped. Every test has to run: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def redis7() -> Iterator[RedisServer]:
    """Debian's Redis 7.0."""
    with RedisServer(binaries.redis7()) as server:
        yield server


@pytest.fixture(scope="session")
def redis6() -> Iterator[RedisServer]:
    """Redis 6.0, the oldest that is supported."""
    with RedisServer(binaries.redis6()) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[RedisServer]:
    """The embedded server."""
    with RedisServer(binaries.valkey()) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """Three primaries of Redis 7.0."""
    with RedisCluster(binaries.redis7()) as cluster:
        yield cluster


@pytest.fixture
def key_prefix() -> str:
    """A KEY_PREFIX that no other test uses."""
    return f"test-{secrets.token_hex(6)}:"


@pytest.fixture
def redis_server() -> Iterator[Callable[..., RedisServer]]:
    """Start a server with the options of ``RedisServer``, Redis 7.0 unless ``binary`` says otherwise."""
    with ExitStack() as stack:

        def start(binary: Binary | None = None, **options: Any) -> RedisServer:
            return stack.enter_context(RedisServer(binary or binaries.redis7(), **options))

        yield start


@pytest.fixture
def tcp_proxy() -> Iterator[Callable[..., TcpProxy]]:
    """Put a proxy that can delay, cut and swallow before a server: ``tcp_proxy(server)``."""
    with ExitStack() as stack:

        def start(server: RedisServer | Postgres) -> TcpProxy:
            return stack.enter_context(TcpProxy(server.host, server.port))

        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """PostgreSQL, with an empty database at ``.url``."""
    with Postgres(binaries.postgres_directory()) as server:
        yield server
