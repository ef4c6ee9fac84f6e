"""Notices on Redis: who hears them, what they cost, and who may."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing

import pytest

from djust.exceptions import BackendUnavailable
from djust.state_backend import Notice, RedisStateBackend
from djust.state_backend.redis import listening
from djust.testing.notices import Listening
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.waiting import wait_until

Servers = Callable[..., RedisServer]
Proxies = Callable[[RedisServer], TcpProxy]


Backends = Callable[..., RedisStateBackend]
Listen = Callable[[RedisStateBackend], Listening]


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [str(record.getMessage()).split(" ", 1)[0] for record in caplog.records]
    return [name for name in found if name in ("backend_unavailable", "backend_recovered", "notices_unavailable")]


# The server goes away


def test_after_a_restart_it_hears_again_and_that_is_said_once(
    redis_server: Servers, backends: Backends, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    server = redis_server()
    listener = listen(backends(server.url))
    server.kill()
    wait_until(lambda: events(caplog) == ["backend_unavailable"])
    server.start()
    wait_until(lambda: listener.subscriptions == 2)
    wait_until(lambda: events(caplog) == ["backend_unavailable", "backend_recovered"])
    backends(server.url).publish("topic", b"")
    assert listener.first(1) == [("topic", b"")]


def test_an_outage_is_said_once_however_often_it_tries(
    redis_server: Servers,
    backends: Backends,
    listen: Listen,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "MAX_PAUSE_SECONDS", 0.01)
    server = redis_server()
    attempts = 0
    subscribe = listening.Listener._subscribe

    async def counted(listener: listening.Listener) -> None:
        nonlocal attempts
        attempts += 1
        await subscribe(listener)

    monkeypatch.setattr(listening.Listener, "_subscribe", counted)
    backend = backends(server.url)
    listener = listen(backend)
    server.kill()
    wait_until(lambda: attempts > 20)
    with pytest.raises(BackendUnavailable):
        backend.publish("topic", b"")
    assert events(caplog) == ["backend_unavailable"]
    server.start()
    wait_until(lambda: listener.subscriptions == 2)


def test_a_connection_that_was_cut_is_made_again_without_a_word(
    redis7: RedisServer,
    tcp_proxy: Proxies,
    backends: Backends,
    listen: Listen,
    key_prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy = tcp_proxy(redis7)
    listener = listen(backends(proxy.url(), key_prefix=key_prefix))
    for number in range(1, 4):
        assert listener.subscriptions == number
        proxy.cut()
        wait_until(lambda number=number: listener.subscriptions == number + 1)
    backends(redis7.url, key_prefix=key_prefix).publish("topic", b"")
    wait_until(lambda: listener.heard == [("topic", b"")])
    assert events(caplog) == []


def test_a_connection_that_leads_nowhere_is_given_up(
    redis7: RedisServer,
    tcp_proxy: Proxies,
    backends: Backends,
    listen: Listen,
    key_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(listening, "QUIET_SECONDS", 0.05)
    proxy = tcp_proxy(redis7)
    listener = listen(backends(proxy.url(), key_prefix=key_prefix, timeout=0.5))
    proxy.blackhole()
    wait_until(lambda: "backend_unavailable" in events(caplog))
    monkeypatch.setattr(listening, "QUIET_SECONDS", 60.0)
    proxy.cut()
    proxy.restore()
    wait_until(lambda: listener.subscriptions == 2)
    assert events(caplog) == ["backend_unavailable", "backend_recovered"]


def test_a_quiet_server_is_asked_and_not_left(
    redis7: RedisServer, backends: Backends, listen: Listen, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "QUIET_SECONDS", 0.01)
    backend = backends(redis7.url, key_prefix=key_prefix)
    with redis7.client() as client:

        def pings() -> int:
            return int(client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"])

        listener = listen(backend)
        before = pings()
        wait_until(lambda: pings() > before + 5)
    backend.publish("topic", b"x" * 65_536)
    assert listener.first(1) == [("topic", b"x" * 65_536)]
    assert listener.subscriptions == 1


def test_who_listens_too_slowly_is_told_that_something_was_missed(redis_server: Servers) -> None:
    server = redis_server(config="client-output-buffer-limit pubsub 1mb 1mb 1")

    async def work() -> None:
        backend = RedisStateBackend(server.url)
        async with aclosing(backend.alisten()) as notices:
            assert (await anext(notices)).topic == "resubscribed"
            with server.client() as client:
                while client.pubsub_numsub("djust:notices:0")[0][1]:
                    await asyncio.gather(*(backend.apublish("topic", b"x" * 65_536) for _ in range(50)))
            topics = [(await anext(notices)).topic]
            while topics[-1] != "resubscribed":
                topics.append((await anext(notices)).topic)
            assert set(topics) == {"topic", "resubscribed"}
            await backend.apublish("after", b"")
            assert await anext(notices) == Notice("after", b"")
        await backend.aclose()

    asyncio.run(work())


# The end


@pytest.mark.parametrize("end", ["cancel", "close", "forget"])
def test_nothing_is_left_behind(
    redis7: RedisServer, key_prefix: str, end: str, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    async def listen(backend: RedisStateBackend, begun: asyncio.Event) -> None:
        async for _notice in backend.alisten():
            begun.set()

    async def work() -> None:
        backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
        if end == "close":
            notices = backend.alisten()
            await anext(notices)
            await notices.aclose()
        else:
            begun = asyncio.Event()
            task = asyncio.create_task(listen(backend, begun))
            await begun.wait()
            if end == "cancel":
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
        await backend.aclose()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        asyncio.run(work(), debug=True)
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno > logging.DEBUG]
    assert not [str(warning.message) for warning in recwarn]
    with redis7.client() as client:
        wait_until(lambda: client.pubsub_numsub(f"{key_prefix}notices:0")[0][1] == 0)


def test_it_ends_while_the_server_is_away(redis_server: Servers) -> None:
    server = redis_server()
    server.kill()

    async def listen() -> None:
        async for _notice in RedisStateBackend(server.url).alisten():
            raise AssertionError("Nobody is there.")

    async def work() -> None:
        task = asyncio.create_task(listen())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(task, 0.2)

    asyncio.run(work(), debug=True)
