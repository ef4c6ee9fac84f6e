"""The hub goes on whatever happens to one of its sockets, to the database or to the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError

from djust.live_view import hub as hub_module
from djust.live_view.broadcast import PREFIX
from djust.live_view.hub import Hub
from djust.live_view.logins import LOGOUT
from djust.live_view.protocol import Close
from djust.state_backend import get_backend
from djust.state_backend.records import Notice


class FakeSocket:
    """What a hub knows of a socket. Jobs are done at once."""

    def __init__(self, login: str = "") -> None:
        now = asyncio.get_running_loop().time()
        self.key: str | None = None
        self.client = "client"
        self.login = login
        self.topics: frozenset[str] = frozenset()
        self.closed = False
        self.heard_at = self.idle_since = now
        self.touch_at = float("inf")
        self.session, self.user = SimpleNamespace(), SimpleNamespace(pk=1)
        self.code: int | None = None
        self.heard: list[Any] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def enqueue(self, job: Callable[[], Awaitable[None]]) -> None:
        async def work() -> None:
            await job()

        self._tasks.add(asyncio.get_running_loop().create_task(work()))

    enqueue_broadcast = enqueue

    async def close(self, code: int, reason: str = "") -> None:
        self.code, self.closed = code, True

    async def disconnected(self, code: int | None) -> None: ...

    async def hear(self, topic: str, message: Any) -> None:
        self.heard.append((topic, message))

    async def verify(self) -> None: ...


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Hub:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory"}
    monkeypatch.setattr(hub_module, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(hub_module, "LOGIN_SECONDS", 0.01)
    monkeypatch.setattr(hub_module.draining, "watch", lambda: None)
    return Hub()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_database_that_is_away_for_a_while_does_not_end_the_look_at_logins(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0

    def look(session: Any, user: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < 5:
            raise OperationalError("canary-password")
        return None

    monkeypatch.setattr(hub_module, "still_logged_in", look)
    socket = FakeSocket("login")
    hub.add(socket)
    with caplog.at_level(logging.WARNING, "djust.state_backend"):
        await until(lambda: socket.closed)
    assert socket.code == Close.LOGGED_OUT
    assert caplog.text.count("live_logins_not_seen") == 4
    assert "canary" not in caplog.text
    hub.remove(socket)


async def test_a_login_that_cannot_be_looked_at_hides_no_other(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = 0

    def look(session: Any, user: Any) -> Any:
        nonlocal rounds
        if user is broken.user:
            rounds += 1
            raise ValueError("canary-password")
        return None

    monkeypatch.setattr(hub_module, "still_logged_in", look)
    broken, before, after = FakeSocket("b"), FakeSocket("a"), FakeSocket("c")
    for socket in (before, broken, after):
        hub.add(socket)
    with caplog.at_level(logging.WARNING, "djust.state_backend"):
        await until(lambda: before.closed and after.closed and rounds > 1)
    assert not broken.closed
    assert 0 < caplog.text.count("live_logins_not_seen") <= rounds
    assert "canary" not in caplog.text
    for socket in (before, broken, after):
        hub.remove(socket)


async def test_somebody_who_is_not_logged_in_is_not_looked_at(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []
    monkeypatch.setattr(hub_module, "still_logged_in", lambda session, user: looked.append(user) or user)
    visitor, user = FakeSocket(), FakeSocket("login")
    hub.add(visitor)
    hub.add(user)
    await until(lambda: len(looked) > 3)
    assert all(found is user.user for found in looked)
    assert not visitor.closed
    hub.remove(visitor)
    hub.remove(user)


async def test_a_logout_ends_the_sockets_of_that_login_alone(hub: Hub) -> None:
    mine, mine_too, another, visitor = FakeSocket("a"), FakeSocket("a"), FakeSocket("b"), FakeSocket()
    for socket in (mine, mine_too, another, visitor):
        hub.add(socket)
    hub._take(Notice(LOGOUT, b"a"))
    await until(lambda: mine.closed and mine_too.closed)
    hub._take(Notice(LOGOUT, b"unknown"))
    await until(lambda: mine.code == mine_too.code == Close.LOGGED_OUT)
    assert not another.closed
    assert not visitor.closed
    for socket in (mine, mine_too, another, visitor):
        hub.remove(socket)


@pytest.mark.parametrize("message", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b"NaN", b'"\\ud800"', b"\0"])
@pytest.mark.parametrize("topic", [f"{PREFIX}room", "ended", LOGOUT, "left", "resubscribed", "unknown", ""])
async def test_no_notice_ends_the_hub(hub: Hub, topic: str, message: bytes) -> None:
    socket = FakeSocket("login")
    hub.add(socket)
    hub.enter(socket, "key")
    hub.listen(socket, ["room"])
    hub._take(Notice(topic, message))
    hub._take(Notice(f"{PREFIX}room", b'"hello"'))
    await until(lambda: ("room", "hello") in socket.heard)
    assert not socket.closed
    hub.remove(socket)


async def test_who_never_joins_is_closed(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "JOIN_SECONDS", 0.05)
    await get_backend().aset("key", {})
    idle, joined = FakeSocket(), FakeSocket()
    hub.add(idle)
    hub.add(joined)
    hub.enter(joined, "key")
    await until(lambda: idle.closed)
    assert idle.code == Close.SILENT
    assert not joined.closed
    hub.remove(idle)
    hub.remove(joined)


async def test_a_reconnect_that_is_lost_itself_does_not_wait_for_itself(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "SETTLE_SECONDS", 3600)
    socket = FakeSocket()
    hub.add(socket)
    hub.enter(socket, "key")

    async def join() -> None:
        task = asyncio.current_task()
        assert task is not None
        hub.finish("key", task)
        await hub.settle("key", "client", socket)

    async with asyncio.timeout(20):
        await asyncio.get_running_loop().create_task(join())
    hub.remove(socket)


async def test_a_reconnect_waits_for_what_is_at_work(hub: Hub) -> None:
    go = asyncio.Event()
    order: list[str] = []

    async def work() -> None:
        await go.wait()
        order.append("worked")

    hub.finish("key", asyncio.get_running_loop().create_task(work()))
    socket = FakeSocket()
    hub.add(socket)
    hub.enter(socket, "key")
    joining = asyncio.get_running_loop().create_task(hub.settle("key", "client", socket))
    joining.add_done_callback(lambda _: order.append("settled"))
    go.set()
    async with asyncio.timeout(20):
        await joining
    assert order == ["worked", "settled"]
    hub.remove(socket)


async def test_nothing_is_kept_of_sockets_that_left(hub: Hub) -> None:
    for number in range(100):
        socket = FakeSocket(f"login{number}")
        hub.add(socket)
        hub.enter(socket, f"key{number}")
        hub.listen(socket, [f"topic{number}", "all"])
        hub.remove(socket)
    assert not hub.sockets
    assert not hub._by_key
    assert not hub._by_topic
    assert not hub._tasks
