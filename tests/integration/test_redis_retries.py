"""What is tried again, and what that must not do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from djust.exceptions import BackendUnavailable, VersionConflict
from djust.sessions import clean_up
from djust.signals import session_expired
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import names, payload_name
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.waiting import wait_until

Servers = Callable[..., RedisServer]
Proxies = Callable[[RedisServer], TcpProxy]


@pytest.mark.parametrize("expected", [None, 0])
def test_a_write_over_anything_is_not_sent_again(
    redis_server: Servers, tcp_proxy: Proxies, expected: int | None
) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    slow, other = RedisStateBackend(proxy.url()), RedisStateBackend(server.url)
    slow.set("warm", {})
    proxy.lose_replies()
    with pytest.raises(BackendUnavailable):
        slow.set("key", {"by": "slow"}, expected_version=expected)
    assert other.delete("key")
    assert other.get("key") is None
    # Tried again by who knows what that means.
    assert slow.set("key", {"by": "slow"}, expected_version=expected).state == {"by": "slow"}


def test_a_write_that_was_cancelled_is_recognised(redis_server: Servers, tcp_proxy: Proxies) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    backend = RedisStateBackend(proxy.url())
    first = backend.set("key", {"n": 1})

    async def work() -> None:
        await backend.aget("key")
        proxy.delay(1.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await backend.aset("key", {"n": 2}, expected_version=first.version)
        proxy.restore()
        await backend.aset("key", {"n": 2}, expected_version=first.version)
        await backend.aclose()

    asyncio.run(work())
    session = RedisStateBackend(server.url).get("key")
    assert session is not None
    assert session.state == {"n": 2}


def test_only_the_very_same_write_is_recognised(redis_server: Servers, tcp_proxy: Proxies) -> None:
    server = redis_server()
    proxy = tcp_proxy(server)
    backend = RedisStateBackend(proxy.url(), timeout=0.3)
    first = backend.set("key", {"n": 1})
    proxy.delay(1.0)
    with pytest.raises(BackendUnavailable):
        backend.set("key", {"n": 2}, expected_version=first.version)
    proxy.restore()
    for different in ({"owner": "bob"}, {"ttl": 5}, {"label": "l"}):
        with pytest.raises(VersionConflict):
            backend.set("key", {"n": 2}, expected_version=first.version, **different)
    assert backend.set("key", {"n": 2}, expected_version=first.version).owner is None


def test_an_owner_is_ended_although_a_session_cannot_be_read(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    backend.set("key", {}, owner="ada")
    with redis7.client() as client:
        client.setrange(payload_name(key_prefix, "key"), 2, b"\x09")
        assert backend.delete_owner("ada") == 1
        assert not client.exists(payload_name(key_prefix, "key"))


def test_an_owner_is_ended_without_buckets_and_counters(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    for number in range(10):
        backend.set(f"key{number}", {}, owner="ada")
    with redis7.client() as client:
        client.delete(*names(client, key_prefix, "o:*"), *names(client, key_prefix, "meta"))
    assert backend.delete_owner("ada") == 10


def test_a_session_past_a_lowered_limit_is_absent_and_reported(redis7: RedisServer, key_prefix: str) -> None:
    before = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    old = before.set("key", {"n": 1}, owner="ada")
    lowered = RedisStateBackend(redis7.url, key_prefix=key_prefix, max_age=0.05)
    wait_until(lambda: not lowered.touch("key"), what="the lowered limit")
    new = lowered.set("key", {"n": 2}, expected_version=0)
    assert (new.owner, new.state) == (None, {"n": 2})
    assert new.created_at > old.created_at
    heard: list[str | None] = []

    def listen(owner: str | None, **_: object) -> None:
        heard.append(owner)

    session_expired.connect(listen)
    try:
        wait_until(lambda: lowered.cleanup_expired() or heard, what="the report")
    finally:
        session_expired.disconnect(listen)
    assert heard[0] == "ada"


def test_a_damaged_payload_is_not_ended_by_idle_time(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    backend.set("key", {"text": "long enough to be damaged"})
    name = payload_name(key_prefix, "key")
    with redis7.client() as client:
        client.setrange(name, client.strlen(name) - 2, b"??")
        assert backend.get("key") is None
        wait_until(lambda: backend.count_due(0.02) == 1, what="it to idle")
        assert backend.cleanup_expired(ttl=0.01) == 0
        assert client.exists(name)


def test_the_newest_is_found_behind_many_that_are_over(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    shard = None
    made = 0
    backend.set("live", {})
    from djust.state_backend.redis.layout import shard_of  # noqa: PLC0415

    shard = shard_of(b"live")
    number = 0
    while made < 1_100:
        number += 1
        if shard_of(b"short%d" % number) == shard:
            backend.set(f"short{number}", {}, ttl=100)
            made += 1
    with redis7.client() as client:
        for name in client.scan_iter(f"{key_prefix}{{*}}:s:short*", count=1000):
            client.delete(name)
    stats = backend.get_stats()
    assert stats["newest_session_age"] is not None
    assert stats["oldest_session_age"] == stats["newest_session_age"]
    assert stats["average_age"] is not None
    backend.delete_all()


def test_slow_receivers_do_not_lose_the_lease(redis_server: Servers, settings: object) -> None:
    settings.DJUST_CONFIG = {"CLEANUP_LEASE_SECONDS": 0.3}  # type: ignore[attr-defined]
    server = redis_server()
    backend = RedisStateBackend(server.url)
    for number in range(6):
        backend.set(f"key{number}", {}, ttl=0.01)
    wait_until(lambda: backend.count_due() == 6, what="them to be due")
    held: list[bool] = []

    def slow(**_: object) -> None:
        with server.client() as client:
            before = client.pttl("djust:lease:cleanup")
            wait_until(lambda: client.pttl("djust:lease:cleanup") < before - 110, what="time to pass")
            held.append(bool(client.exists("djust:lease:cleanup")))

    session_expired.connect(slow)
    try:
        report = clean_up(backend)
    finally:
        session_expired.disconnect(slow)
    assert (report.outcome, report.removed) == ("done", 6)
    assert held == [True] * 6
