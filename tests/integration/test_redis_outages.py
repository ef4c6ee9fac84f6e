"""Redis goes away and comes back."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from djust.exceptions import BackendUnavailable
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import calls_of
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.waiting import wait_until

CANARY = "canary-pa55word"
Servers = Callable[..., RedisServer]
Proxies = Callable[[RedisServer], TcpProxy]


def events(caplog: pytest.LogCaptureFixture, *names: str) -> list[str]:
    found = [str(record.getMessage()).split(" ", 1)[0] for record in caplog.records]
    return [name for name in found if name in (names or ("backend_unavailable", "backend_recovered"))]


def test_building_does_not_connect_and_calls_fail_with_host_and_port() -> None:
    port = free_port()
    backend = RedisStateBackend(f"redis://:{CANARY}@127.0.0.1:{port}/0")
    with pytest.raises(BackendUnavailable, match=f"127.0.0.1:{port}") as caught:
        backend.get("key")
    shown = "".join(traceback.format_exception(caught.value)) + repr(backend)
    assert CANARY not in shown
    assert caught.value.__context__ is None
    assert CANARY not in str(backend.health_check())


def test_it_is_said_once_and_works_again_without_a_new_backend(
    redis_server: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    server = redis_server(password=CANARY, persist=True)
    backend = RedisStateBackend(server.url, timeout=2)
    backend.set("key", {"n": 1})
    server.kill()
    for work in (lambda: backend.get("key"), lambda: backend.set("key", {}), lambda: backend.delete("key")):
        with pytest.raises(BackendUnavailable):
            work()
    assert events(caplog) == ["backend_unavailable"]
    server.start()
    session = backend.get("key")
    assert session is not None
    assert session.state == {"n": 1}
    backend.touch("key")
    assert events(caplog) == ["backend_unavailable", "backend_recovered"]
    assert CANARY not in caplog.text


def test_a_restart_between_two_calls_is_not_noticed(redis_server: Servers) -> None:
    server = redis_server(persist=True)
    backend = RedisStateBackend(server.url)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda n: backend.set(f"k{n}", {"n": n}), range(50)))
        server.restart()
        assert [session is not None for session in pool.map(lambda n: backend.get(f"k{n}"), range(50))] == [True] * 50
    assert backend.delete("k1")


def test_the_asynchronous_side_recovers_too(redis_server: Servers, caplog: pytest.LogCaptureFixture) -> None:
    server = redis_server(persist=True)
    backend = RedisStateBackend(server.url)

    async def work() -> None:
        await backend.aset("key", {"n": 1})
        server.kill()
        for _ in range(3):
            with pytest.raises(BackendUnavailable):
                await backend.aget("key")
        server.start()
        session = await backend.aget("key")
        assert session is not None
        await backend.aclose()

    asyncio.run(work())
    assert events(caplog) == ["backend_unavailable", "backend_recovered"]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_write_whose_reply_was_lost_is_saved(redis_server: Servers, tcp_proxy: Proxies, is_async: bool) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    backend = RedisStateBackend(proxy.url())
    first = backend.set("key", {"n": 1})

    async def awrite() -> int:
        await backend.aget("key")
        proxy.lose_replies()
        saved = await backend.aset("key", {"n": 2}, expected_version=first.version)
        await backend.aclose()
        return saved.version

    def write() -> int:
        proxy.lose_replies()
        return backend.set("key", {"n": 2}, expected_version=first.version).version

    version = asyncio.run(awrite()) if is_async else write()
    session = backend.get("key")
    assert session is not None
    assert (session.state, session.version) == ({"n": 2}, version)


def test_a_write_that_timed_out_can_be_tried_again(redis_server: Servers, tcp_proxy: Proxies) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    backend = RedisStateBackend(proxy.url(), timeout=0.3)
    first = backend.set("key", {"n": 1})
    proxy.delay(1.0)
    with pytest.raises(BackendUnavailable, match="in time"):
        backend.set("key", {"n": 2}, expected_version=first.version)
    proxy.restore()
    saved = backend.set("key", {"n": 2}, expected_version=first.version)
    session = backend.get("key")
    assert session is not None
    assert (session.state, session.version) == ({"n": 2}, saved.version)


def test_a_deletion_is_not_sent_twice(redis_server: Servers, tcp_proxy: Proxies) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    backend = RedisStateBackend(proxy.url())
    backend.set("key", {})
    # The server has to know the script, or the reply that gets lost is the one that says it does not.
    assert backend.delete("key")
    backend.set("key", {})
    proxy.lose_replies()

    def delete() -> None:
        with pytest.raises(BackendUnavailable):
            backend.delete("key")

    with server.client() as client:
        assert calls_of(client, delete)["evalsha"] == 1
    assert backend.get("key") is None


def test_a_server_that_does_not_answer_costs_one_timeout(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url, timeout=0.2)
    backend.set("key", {})
    server.pause()
    try:
        with pytest.raises(BackendUnavailable, match="in time"):
            backend.get("key")
    finally:
        server.resume()
    assert backend.get("key") is not None


def test_a_replica_is_unavailable_until_it_is_promoted(
    redis_server: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    primary = redis_server()
    RedisStateBackend(primary.url).set("key", {"n": 1})
    replica = redis_server(replica_of=primary)
    backend = RedisStateBackend(replica.url)
    with replica.client() as client:
        wait_until(lambda: client.info("replication")["master_link_status"] == "up", what="replication")
        with pytest.raises(BackendUnavailable, match="read-only replica"):
            backend.set("key", {"n": 2})
        assert events(caplog, "backend_unavailable") == ["backend_unavailable"]
        client.replicaof("NO", "ONE")
    assert backend.set("key", {"n": 2}).state == {"n": 2}
    assert events(caplog)[-1] == "backend_recovered"


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_after_a_failover_the_next_call_goes_where_the_name_leads(
    redis_server: Servers, tcp_proxy: Proxies, is_async: bool
) -> None:
    old, new = redis_server(), redis_server()
    # The proxy stands for a name that led to the old primary first.
    proxy = tcp_proxy(old)
    backend = RedisStateBackend(proxy.url())

    async def aset() -> None:
        await backend.aset("key", {"n": 1})
        fail_over()
        with pytest.raises(BackendUnavailable, match="read-only replica"):
            await backend.aset("key", {"n": 2})
        await backend.aset("key", {"n": 3})
        await backend.aclose()

    def fail_over() -> None:
        with old.client() as client:
            client.replicaof(new.host, new.port)
        proxy.retarget(new.host, new.port)

    if is_async:
        asyncio.run(aset())
    else:
        backend.set("key", {"n": 1})
        fail_over()
        with pytest.raises(BackendUnavailable, match="read-only replica"):
            backend.set("key", {"n": 2})
        backend.set("key", {"n": 3})
    session = RedisStateBackend(new.url).get("key")
    assert session is not None
    assert session.state == {"n": 3}


@pytest.mark.parametrize(("password", "words"), [("wrong-canary", "refused the user"), (None, "asks for a password")])
def test_a_wrong_password_is_said_without_it(redis_server: Servers, password: str | None, words: str) -> None:
    server = redis_server(password="right")
    credentials = f":{password}@" if password else ""
    backend = RedisStateBackend(f"redis://{credentials}{server.host}:{server.port}/0")
    with pytest.raises(BackendUnavailable, match=words) as caught:
        backend.get("key")
    assert "wrong-canary" not in "".join(traceback.format_exception(caught.value))


def test_too_few_connections_are_waited_for(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url, max_connections=2)
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda n: backend.set(f"k{n}", {}), range(200)))
    with server.client() as client:
        assert client.info("clients")["connected_clients"] <= 3


def test_nothing_of_a_session_is_logged(redis_server: Servers, caplog: pytest.LogCaptureFixture) -> None:
    server = redis_server(password=CANARY)
    backend = RedisStateBackend(server.url)
    with caplog.at_level(logging.DEBUG):
        backend.set("canary-key", {"canary-field": "canary-state"}, owner="canary-owner", ttl=0.001)
        wait_until(lambda: backend.get("canary-key") is None, what="the session to expire")
        backend.cleanup_expired()
        backend.set("canary-key", {})
        backend.delete("canary-key")
        server.kill()
        with pytest.raises(BackendUnavailable):
            backend.get("canary-key")
    assert {"session_created", "session_expired", "session_deleted", "backend_unavailable"} <= set(
        events(caplog, "session_created", "session_expired", "session_deleted", "backend_unavailable")
    )
    assert "canary" not in caplog.text
