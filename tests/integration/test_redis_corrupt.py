"""A payload that cannot be read is said, left alone, and in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from djust.codec import MIN_CONTENT_LIMIT
from djust.conf import Config
from djust.exceptions import SessionUnreadable
from djust.reconcile import reconcile
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import payload_name
from tests.servers.redis_server import RedisServer


@pytest.fixture
def backend(redis7: RedisServer, key_prefix: str) -> Iterator[RedisStateBackend]:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    backend.set("key", {"n": 1, "text": "some text that is long enough"}, owner="o")
    yield backend
    backend.delete_all()
    backend.close()


def header_format(payload: bytes) -> bytes:
    return payload[:2] + b"\x02" + payload[3:]


def body_format(payload: bytes) -> bytes:
    offset = int.from_bytes(payload[44:46])
    return payload[:offset] + b"\x02" + payload[offset + 1 :]


def unknown_flag(payload: bytes) -> bytes:
    offset = int.from_bytes(payload[44:46])
    return payload[: offset + 1] + b"\x80" + payload[offset + 2 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated header": lambda payload: payload[:30],
    "truncated body": lambda payload: payload[:-5],
    "flipped bit": lambda payload: payload[:-3] + bytes([payload[-3] ^ 1]) + payload[-2:],
    "foreign": lambda payload: b"hello",
    "later header": header_format,
    "later body": body_format,
    "unknown flag": unknown_flag,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_is_none_for_the_reader_and_stays(
    damage: str, backend: RedisStateBackend, redis7: RedisServer, key_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = payload_name(key_prefix, "key")
    with redis7.client() as client:
        damaged = DAMAGES[damage](client.get(name))
        client.set(name, damaged, keepttl=True)
        deadline = client.pexpiretime(name)
        assert backend.get("key") is None
        assert asyncio.run(read(backend)) is None
        assert "session_undecodable" in caplog.text
        assert not backend.touch("key")
        with pytest.raises(SessionUnreadable):
            backend.set("key", {"n": 2})
        found = reconcile(backend, repair=["no_ttl"])
        assert found.found["undecodable"] == 1
        assert client.pexpiretime(name) == deadline
        # At most the mark in the header is new.
        assert client.get(name)[4:] == damaged[4:]
    assert backend.delete("key")
    assert backend.set("key", {"n": 3}, expected_version=0).state == {"n": 3}
    assert backend.delete_owner("o") == 0


async def read(backend: RedisStateBackend) -> Any:
    found = await backend.aget("key")
    await backend.aclose()
    return found


def test_what_is_too_large_for_this_process_is_not_damaged(
    redis7: RedisServer, key_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    large, small = (
        RedisStateBackend.from_config(
            Config(redis_url=redis7.url, key_prefix=key_prefix, state_max_bytes=limit, state_warn_bytes=10**9)
        )
        for limit in (2 * MIN_CONTENT_LIMIT, 1_000)
    )
    with closing(large), closing(small), redis7.client() as client:
        session = large.set("key", {"text": "x" * MIN_CONTENT_LIMIT})
        payload = client.get(payload_name(key_prefix, "key"))
        assert small.get("key") is None
        assert "is larger than this process may read" in caplog.text
        assert reconcile(small).found["undecodable"] == 1
        assert client.get(payload_name(key_prefix, "key")) == payload
        assert large.get("key") == session
        assert small.touch("key")
        assert large.set("key", {"n": 1}, expected_version=session.version).state == {"n": 1}
        assert large.delete("key")


def test_a_key_of_another_type_is_left_alone(backend: RedisStateBackend, redis7: RedisServer, key_prefix: str) -> None:
    name = payload_name(key_prefix, "list")
    with redis7.client() as client:
        client.rpush(name, "not ours")
        with pytest.raises(SessionUnreadable):
            backend.set("list", {})
        assert backend.get("list") is None
        assert reconcile(backend).found["undecodable"] == 1
        assert client.lrange(name, 0, -1) == [b"not ours"]
    assert backend.delete("list")


def test_it_is_reported_when_its_own_deadline_has_come(
    backend: RedisStateBackend, redis7: RedisServer, key_prefix: str
) -> None:
    backend.set("soon", {}, ttl=0.15)
    name = payload_name(key_prefix, "soon")
    with redis7.client() as client:
        client.setrange(name, 0, b"XX")
    assert backend.get("soon") is None
    total = 0
    while not total:
        total = backend.cleanup_expired()
    assert total == 1


def test_a_header_with_more_in_it_than_we_know_is_read_and_written(
    backend: RedisStateBackend, redis7: RedisServer, key_prefix: str
) -> None:
    name = payload_name(key_prefix, "key")
    with redis7.client() as client:
        payload = client.get(name)
        offset = int.from_bytes(payload[44:46])
        later = payload[:44] + (offset + 3).to_bytes(2) + payload[46:offset] + b"new" + payload[offset:]
        client.set(name, later, keepttl=True)
    session = backend.get("key")
    assert session is not None
    assert session.state["n"] == 1
    assert backend.touch("key")
    assert backend.set("key", {"n": 2}, expected_version=session.version).owner == "o"
