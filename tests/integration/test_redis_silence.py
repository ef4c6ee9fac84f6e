"""Servers that accept and do not answer, answer reads only, or answer half of what they did."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from djust.exceptions import BackendError, BackendUnavailable
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import calls_of, payload_name
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.waiting import wait_until

Servers = Callable[..., RedisServer]
Proxies = Callable[[RedisServer], TcpProxy]
both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [str(record.getMessage()).split(" ", 1)[0] for record in caplog.records]
    return [name for name in found if name in ("backend_unavailable", "backend_recovered")]


class Caller:
    """Calls a backend's methods, or their asynchronous twins on one event loop."""

    def __init__(self, backend: RedisStateBackend, *, is_async: bool) -> None:
        self.backend = backend
        self._runner = asyncio.Runner() if is_async else None

    def __call__(self, name: str, *args: Any, **options: Any) -> Any:
        if self._runner is None:
            return getattr(self.backend, name)(*args, **options)
        return self._runner.run(self._bounded(getattr(self.backend, f"a{name}")(*args, **options)))

    async def _bounded(self, work: Any) -> Any:
        # A call that hangs must fail the test, not hold it.
        async with asyncio.timeout(20):
            return await work

    def close(self) -> None:
        if self._runner is not None:
            self._runner.run(self.backend.aclose())
            self._runner.close()
        self.backend.close()


@both
@pytest.mark.parametrize("connected", [False, True], ids=["first call", "later call"])
def test_a_peer_that_accepts_and_is_silent_is_given_up_in_time(
    redis_server: Servers, tcp_proxy: Proxies, is_async: bool, connected: bool
) -> None:
    proxy = tcp_proxy(redis_server(password="canary"))
    url = proxy.url().replace("redis://", "redis://:canary@")
    call = Caller(RedisStateBackend(url, timeout=0.3), is_async=is_async)
    if connected:
        call("set", "key", {})
    proxy.blackhole()
    for name in ("get", "touch", "delete"):
        with pytest.raises(BackendUnavailable, match="in time") as caught:
            call(name, "key")
        assert "canary" not in "".join(traceback.format_exception(caught.value))
    proxy.restore()
    assert call("set", "key", {"n": 1}).state == {"n": 1}
    assert call("get", "key").state == {"n": 1}
    call.close()


@both
def test_a_write_whose_reply_never_came_can_be_tried_again(
    redis_server: Servers, tcp_proxy: Proxies, is_async: bool
) -> None:
    proxy = tcp_proxy(redis_server())
    call = Caller(RedisStateBackend(proxy.url(), timeout=0.3), is_async=is_async)
    first = call("set", "key", {"n": 1})
    for expected, state in ((first.version, {"n": 2}), (0, {"n": 0})):
        key = "key" if expected else "new"
        proxy.delay(1.0)
        for _ in range(2):
            with pytest.raises(BackendUnavailable):
                call("set", key, state, expected_version=expected)
        proxy.restore()
        saved = call("set", key, state, expected_version=expected)
        assert (call("get", key).state, call("get", key).version) == (state, saved.version)
    call.close()


@both
def test_a_replica_is_said_once_however_often_it_is_read(
    redis_server: Servers, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    primary = redis_server()
    RedisStateBackend(primary.url).set("key", {})
    replica = redis_server(replica_of=primary)
    call = Caller(RedisStateBackend(replica.url), is_async=is_async)
    with replica.client() as client:
        wait_until(lambda: client.exists(payload_name("djust:", "key")), what="replication")
        for _ in range(3):
            assert call("get", "key") is not None
            assert not call("touch", "nobody")
            with pytest.raises(BackendUnavailable, match="read-only replica"):
                call("touch", "key")
        assert events(caplog) == ["backend_unavailable"]
        client.replicaof("NO", "ONE")
    call("get", "key")
    call("touch", "key")
    assert events(caplog) == ["backend_unavailable", "backend_recovered"]
    call.close()


def test_eight_threads_say_it_once(redis_server: Servers, caplog: pytest.LogCaptureFixture) -> None:
    server = redis_server(persist=True)
    backend = RedisStateBackend(server.url)

    def work(number: int) -> bool:
        with suppress(BackendUnavailable):
            backend.set(f"k{number % 8}", {"n": number})
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))
        server.kill()
        assert not any(pool.map(work, range(64)))
        server.start()
        assert all(pool.map(work, range(64)))
    assert events(caplog) == ["backend_unavailable", "backend_recovered"]


def test_a_server_that_loads_its_data_is_unavailable(redis_server: Servers, caplog: pytest.LogCaptureFixture) -> None:
    # Redis lets clients speak once in a thousand commands that it loads.
    server = redis_server(persist=True, config="key-load-delay 200")
    backend = RedisStateBackend(server.url)
    for number in range(1_000):
        backend.set(f"k{number}", {})
    server.kill()
    starting = threading.Thread(target=server.start)
    starting.start()
    said = set()
    while starting.is_alive():
        try:
            backend.get("k1")
        except BackendUnavailable as error:
            said.add(str(error).split(" ", 3)[-1])
    starting.join()
    assert "is still loading its data." in said
    assert backend.get("k1") is not None
    assert events(caplog) == ["backend_unavailable", "backend_recovered"]


@both
def test_a_deletion_does_not_trip_over_a_restart_before_it(redis_server: Servers, is_async: bool) -> None:
    server = redis_server(persist=True)
    call = Caller(RedisStateBackend(server.url), is_async=is_async)
    call("set", "key", {})
    server.restart()
    assert call("delete", "key")
    call.close()


def test_a_claim_is_not_sent_twice_and_what_it_took_is_counted(redis_server: Servers, tcp_proxy: Proxies) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    backend = RedisStateBackend(proxy.url())
    # The server has to know the script, or the lost reply is the one that says it does not.
    for key in ("before", "key"):
        backend.set(key, {}, ttl=0.01)
        wait_until(lambda: backend.count_due() == 1, what="the session to be due")
        if key == "before":
            assert backend.cleanup_expired() == 1
    sweep = backend.open_sweep(token="lease:one")
    while not sweep.reap(25).done:
        pass
    proxy.lose_replies()

    def claim() -> None:
        with pytest.raises(BackendUnavailable):
            sweep.claim(25)

    with server.client() as client:
        assert calls_of(client, claim)["evalsha"] == 1
    assert backend.open_sweep(token="lease:two").abandoned() == 1
    assert backend.cleanup_expired() == 0


@pytest.mark.parametrize("work", ["get", "set", "aset", "get_stats"])
def test_a_server_that_is_no_cluster_or_part_of_one_is_said(
    redis7: RedisServer, redis_cluster: Any, key_prefix: str, work: str
) -> None:
    def call(url: str) -> None:
        backend = RedisStateBackend(url, key_prefix=key_prefix)
        arguments = {"get": ("k",), "set": ("k", {}), "aset": ("k", {}), "get_stats": ()}[work]
        Caller(backend, is_async=work.startswith("a"))(work.removeprefix("a"), *arguments)

    with pytest.raises(BackendError, match=r"begin with redis://"):
        call(redis7.url.replace("redis://", "redis+cluster://"))
    refused = []
    for node in redis_cluster.nodes:
        try:
            call(node.url)
        except BackendError as error:
            refused.append(str(error))
    # One of them holds the key, unless all shards are asked.
    assert len(refused) >= 2
    assert all("begin with redis+cluster://" in words for words in refused)
    Caller(RedisStateBackend(redis_cluster.url, key_prefix=key_prefix), is_async=False)("delete_all")
