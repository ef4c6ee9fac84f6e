"""Notices on Redis: who hears them, what they cost, and who may."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from djust.exceptions import BackendDenied
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis import listening
from djust.testing.notices import Listening
from tests.integration.redis_support import calls_of
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

Servers = Callable[..., RedisServer]

on_every_server = pytest.mark.parametrize("server_name", ["redis6", "redis7", "valkey"])


@pytest.fixture
def server(request: pytest.FixtureRequest, server_name: str) -> RedisServer:
    return request.getfixturevalue(server_name)


Backends = Callable[..., RedisStateBackend]
Listen = Callable[[RedisStateBackend], Listening]


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [str(record.getMessage()).split(" ", 1)[0] for record in caplog.records]
    return [name for name in found if name in ("backend_unavailable", "backend_recovered", "notices_unavailable")]


# Who hears what


@on_every_server
def test_another_process_hears_it(server: RedisServer, backends: Backends, listen: Listen, key_prefix: str) -> None:
    listener = listen(backends(server.url, key_prefix=key_prefix))
    code = (
        "import django; from django.conf import settings; settings.configure(SECRET_KEY='x'); django.setup()\n"
        "from djust.state_backend import RedisStateBackend\n"
        f"store = RedisStateBackend({server.url!r}, key_prefix={key_prefix!r})\n"
        "store.set('key', {}); store.delete('key'); store.publish('topic', b'message')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert listener.first(2) == [("ended", b"key"), ("topic", b"message")]


def test_another_database_is_another_store(redis7: RedisServer, backends: Backends, listen: Listen) -> None:
    listener = listen(backends(redis7.url.removesuffix("/0") + "/3"))
    elsewhere = backends(redis7.url)
    elsewhere.publish("topic", b"")
    elsewhere.set("key of another database", {})
    elsewhere.delete("key of another database")
    assert listener.first(0) == []


def test_what_is_no_notice_is_passed_over(
    redis7: RedisServer, backends: Backends, listen: Listen, key_prefix: str
) -> None:
    listener = listen(backends(redis7.url, key_prefix=key_prefix))
    with redis7.client() as client:
        for data in (b"", b"\0", b"\5abc", b"\1\xff", "ünï"):
            assert client.publish(f"{key_prefix}notices:0", data) == 1
    assert listener.first(0) == []


@pytest.mark.parametrize("kind", ["tls", "unix", "password"])
def test_it_connects_like_everything_else(
    redis_server: Servers, backends: Backends, listen: Listen, kind: str
) -> None:
    server = redis_server(password="p@ss:w/ord?#%", tls=kind == "tls", unix_socket=kind == "unix")
    url = {"tls": lambda: server.tls_url, "unix": lambda: server.unix_url, "password": lambda: server.url}[kind]()
    backend = backends(url)
    listener = listen(backend)
    backend.set("key", {})
    backend.delete("key")
    assert listener.first(1) == [("ended", b"key")]


# What it costs


@on_every_server
def test_a_deletion_is_one_round_trip_still(server: RedisServer, backends: Backends, key_prefix: str) -> None:
    backend = backends(server.url, key_prefix=key_prefix)
    for number in range(3):
        backend.set(f"k{number}", {}, owner="me")
    assert not backend.delete("loads the script")
    with server.client() as client:
        calls = calls_of(client, lambda: backend.delete("k0"))
        assert (calls["evalsha"], calls["publish"]) == (1, 1)
        assert "eval" not in calls
        calls = calls_of(client, lambda: backend.delete("k0"))
        assert calls["evalsha"] == 1
        assert "publish" not in calls
        calls = calls_of(client, lambda: backend.publish("topic", b""))
        assert calls == {"publish": 1}


@on_every_server
def test_what_one_tick_touches_or_publishes_shares_a_round_trip(server: RedisServer, key_prefix: str) -> None:
    async def work() -> None:
        backend = RedisStateBackend(server.url, key_prefix=key_prefix)
        await asyncio.gather(*(backend.aset(f"k{n}", {}) for n in range(100)))
        assert all(await asyncio.gather(*(backend.atouch(f"k{n}", 60) for n in range(100))))
        await asyncio.gather(*(backend.apublish("topic", b"%d" % n) for n in range(100)))
        await backend.aclose()

    with server.client() as client:
        before = client.info("stats")["total_connections_received"]
        asyncio.run(work())
        # Each round trip that is under way has a connection of its own.
        assert client.info("stats")["total_connections_received"] == before + 1


@on_every_server
def test_a_page_gets_its_time_when_it_joins_and_a_minute_when_it_leaves(
    server: RedisServer, backends: Backends, key_prefix: str
) -> None:
    backend = backends(server.url, key_prefix=key_prefix)
    saved = backend.set("page", {"n": 1}, 60)
    for ttl in (3600, None, 60, None):
        assert backend.touch("page", ttl)
        session = backend.get("page")
        assert session is not None
        assert session.ttl is not None
        assert session.expires_at == session.last_active_at + session.ttl
        assert session.ttl.total_seconds() == (ttl or session.ttl.total_seconds())
        assert session.version == saved.version
    assert session.ttl.total_seconds() == 60


# Rights


def rights(server: RedisServer, rules: str) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", *rules.split())


@pytest.mark.parametrize(
    ("server_name", "rules"),
    [
        ("redis6", "-publish -subscribe"),
        ("redis7", "-publish -subscribe"),
        ("redis7", "resetchannels"),
        ("redis7", "resetchannels &other:*"),
        ("valkey", "-publish -subscribe"),
        ("valkey", "resetchannels"),
    ],
)
def test_who_may_not_publish_deletes_all_the_same(
    server: RedisServer,
    rules: str,
    backends: Backends,
    listen: Listen,
    key_prefix: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "DENIED_PAUSE_SECONDS", 0.02)
    rights(server, f"on >secret ~* +@all {rules}")
    url = server.url.replace("redis://", "redis://app:secret@")
    backend = backends(url, key_prefix=key_prefix)
    allowed = listen(backends(server.url, key_prefix=key_prefix))
    for number in range(5):
        backend.set(f"k{number}", {}, owner="me" if number > 2 else None)
    assert backend.delete("k0")
    assert backend.delete_owner("me") == 2
    assert backend.delete_all() == 2
    with pytest.raises(BackendDenied):
        backend.publish("topic", b"")
    assert allowed.first(0) == []
    denied = Listening(backend, begin=False)
    with denied:
        wait_until(lambda: events(caplog) == ["notices_unavailable"])
        with server.client() as client:
            before = client.info("stats")["total_connections_received"]
            wait_until(lambda: client.info("stats")["total_connections_received"] > before + 3)
        assert events(caplog) == ["notices_unavailable"]
        rights(server, "+@all" + (" allchannels" if server.binary.name != "redis-6.0" else ""))
        wait_until(lambda: denied.subscriptions == 1)
        backend.set("k", {})
        assert backend.delete("k")
        assert ("ended", b"k") in denied.first(1)
    rights(server, "off")


def test_where_publish_is_renamed_deletions_work(redis_server: Servers, backends: Backends) -> None:
    backend = backends(redis_server(renamed={"PUBLISH": ""}).url)
    backend.set("key", {}, owner="me")
    assert backend.delete_owner("me") == 1
    with pytest.raises(BackendDenied):
        backend.publish("topic", b"")


def test_a_full_server_takes_deletions_and_notices(redis_server: Servers, backends: Backends, listen: Listen) -> None:
    server = redis_server()
    backend = backends(server.url)
    listener = listen(backend)
    backend.set("key", {})
    backend.set("other", {}, owner="me")
    with server.client() as client:
        client.config_set("maxmemory", 1)
    assert backend.delete("key")
    assert backend.delete_owner("me") == 1
    backend.publish("topic", b"")
    assert listener.first(3) == [("ended", b"key"), ("ended", b"other"), ("topic", b"")]
