"""Sockets of users who are no longer who they were: they end on every server."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from djust.live_view.protocol import Close
from tests.integration.hostile.support import Socket, Store, Visitor, assert_unharmed, make_environment, server
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer

LOGGED_OUT = (Close.LOGGED_OUT, "logged out")


class Pair(NamedTuple):
    """Two servers of one site."""

    first: UvicornServer
    second: UvicornServer
    environment: dict[str, str]

    def execute(self, sql: str, *parameters: str) -> int:
        """Change the site's tables, and return how many rows."""
        with closing(sqlite3.connect(self.environment["DATABASE"], timeout=30)) as connection, connection:
            return connection.execute(sql, parameters).rowcount


def make_pair(redis: RedisServer, directory: Path, **env: str) -> Iterator[Pair]:
    environment = make_environment(directory, redis.url, f"test-{secrets.token_hex(6)}:", **env)
    with server(environment) as first, server(environment) as second:
        yield Pair(first, second, environment)
        for web in (first, second):
            assert_unharmed(web.process)


@pytest.fixture(scope="module")
def pair(redis7: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers that hear of logouts, and would look at logins too late for a test."""
    yield from make_pair(redis7, tmp_path_factory.mktemp("pair"), LOGIN_SECONDS="3600")


@pytest.fixture(scope="module")
def looking(redis7: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers that look at logins all the time."""
    yield from make_pair(redis7, tmp_path_factory.mktemp("looking"), LOGIN_SECONDS="0.2")


async def logged_in(visitor: Visitor, url: str) -> Socket:
    """Log in, and open a page with its socket on the server at ``url``."""
    visitor.log_in()
    socket = await visitor.joined(url=url)
    assert (await socket.event(1, "increment"))["t"] == "update"
    return socket


async def test_a_logout_on_one_server_closes_the_sockets_on_the_others(pair: Pair) -> None:
    with Visitor(pair.first.url) as mine, Visitor(pair.first.url) as another, Visitor(pair.first.url) as nobody:
        sockets = [await logged_in(mine, pair.second.url)]
        sockets += [await mine.joined(url=url) for url in (pair.first.url, pair.second.url, pair.second.url)]
        others = [await logged_in(another, pair.second.url), await nobody.joined(url=pair.second.url)]
        assert mine.http.get("/logout/").status_code == 200
        for socket in sockets:
            assert await socket.closed() == LOGGED_OUT
        for socket in others:
            assert (await socket.event(2, "increment"))["t"] == "update"
            await socket.connection.close()


async def test_a_socket_that_was_closed_by_a_logout_cannot_come_back(pair: Pair) -> None:
    with Visitor(pair.first.url) as mine:
        mine.log_in()
        page = mine.page()
        cookies = dict(mine.http.cookies)
        async with await mine.joined(page, url=pair.second.url) as socket:
            mine.http.get("/logout/")
            assert await socket.closed() == LOGGED_OUT
        before = Store(pair.environment).state(page)
        for kept in (dict(mine.http.cookies), cookies):
            mine.http.cookies.clear()
            mine.http.cookies.update(kept)
            async with await mine.socket(url=pair.second.url) as socket:
                await socket.send(page.join_frame())
                assert (await socket.closed())[0] == Close.LOGGED_OUT
        assert Store(pair.environment).state(page) == before


async def test_a_flood_does_not_keep_a_logout_from_closing(pair: Pair) -> None:
    with Visitor(pair.first.url) as mine:
        mine.log_in()
        page = mine.page()
        async with await mine.joined(page, url=pair.second.url) as socket:
            mine.http.get("/logout/")
            for number in range(1, 151):
                await socket.send({"t": "event", "n": number, "name": "increment"})
            assert await socket.closed() == LOGGED_OUT


async def test_a_logout_whose_notice_is_lost_closes_within_a_look(looking: Pair) -> None:
    with Visitor(looking.first.url) as mine, Visitor(looking.first.url) as another:
        socket, other = await logged_in(mine, looking.second.url), await logged_in(another, looking.second.url)
        # The row goes without a signal, so no notice is sent.
        key = mine.http.cookies["sessionid"]
        assert looking.execute("DELETE FROM django_session WHERE session_key = ?", key) == 1
        assert await socket.closed() == LOGGED_OUT
        assert (await other.event(2, "increment"))["t"] == "update"
        await other.connection.close()


async def test_a_user_who_is_deactivated_is_closed_within_a_look(looking: Pair) -> None:
    with Visitor(looking.first.url) as mine, Visitor(looking.first.url) as another:
        name = secrets.token_hex(6)
        mine.log_in(name)
        socket, other = await mine.joined(), await logged_in(another, looking.first.url)
        assert looking.execute("UPDATE auth_user SET is_active = 0 WHERE username = ?", name) == 1
        assert await socket.closed() == LOGGED_OUT
        assert (await other.event(2, "increment"))["t"] == "update"
        await other.connection.close()


async def test_a_user_whose_password_was_changed_is_closed_within_a_look(looking: Pair) -> None:
    with Visitor(looking.first.url) as mine:
        name = secrets.token_hex(6)
        mine.log_in(name)
        socket = await mine.joined()
        assert looking.execute("UPDATE auth_user SET password = 'other' WHERE username = ?", name) == 1
        assert await socket.closed() == LOGGED_OUT


async def test_a_user_who_is_deleted_is_closed_within_a_look(looking: Pair) -> None:
    with Visitor(looking.first.url) as mine:
        name = secrets.token_hex(6)
        mine.log_in(name)
        socket = await mine.joined()
        assert looking.execute("DELETE FROM auth_user WHERE username = ?", name) == 1
        assert await socket.closed() == LOGGED_OUT


async def test_a_database_that_is_away_closes_nobody(looking: Pair) -> None:
    with Visitor(looking.first.url) as mine:
        name = secrets.token_hex(6)
        mine.log_in(name)
        socket = await mine.joined()
        assert looking.execute("ALTER TABLE django_session RENAME TO elsewhere")
        looking.first.process.wait_for_output("live_logins_not_seen", count=3)
        looking.execute("ALTER TABLE elsewhere RENAME TO django_session")
        assert (await socket.event(1, "increment"))["t"] == "update"
        # And the look goes on.
        looking.execute("UPDATE auth_user SET is_active = 0 WHERE username = ?", name)
        assert await socket.closed() == LOGGED_OUT


async def test_no_key_of_a_session_is_logged(pair: Pair) -> None:
    with Visitor(pair.first.url) as mine:
        mine.log_in()
        page = mine.page()
        async with await mine.joined(page, url=pair.second.url) as socket:
            await socket.send({"t": "event", "n": 1, "name": "mount"})
            assert (await socket.closed())[0] == Close.NO_HANDLER
        pair.second.process.wait_for_output("live_refused")
        for web in (pair.first, pair.second):
            output = web.process.output()
            for secret in (page.key, page.token, mine.http.cookies["sessionid"]):
                assert secret not in output
        assert all(json.loads(line)["session"] for line in output.splitlines() if '"code": 4405' in line)
