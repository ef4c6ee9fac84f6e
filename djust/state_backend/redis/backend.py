"""The Redis backend: one round trip for each read, write or touch."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self
from weakref import WeakKeyDictionary

from djust.codec import Codec
from djust.conf import Config
from djust.exceptions import (
    BackendError,
    BackendUnavailable,
    CodecError,
    DjustError,
    PayloadTooNew,
    SessionGone,
    SessionUnreadable,
    VersionConflict,
)
from djust.log import hashed, logger
from djust.state_backend.announce import aannounce, announce
from djust.state_backend.base import (
    Backlog,
    ReconcileStep,
    Session,
    SessionInfo,
    StateBackend,
    check_name,
    check_seconds,
    check_version,
    from_milliseconds,
    ttl_milliseconds,
)
from djust.state_backend.redis import operations
from djust.state_backend.redis.address import parse_address
from djust.state_backend.redis.aio import AsyncClient, build_async_client
from djust.state_backend.redis.availability import Availability
from djust.state_backend.redis.calls import Call, command, run
from djust.state_backend.redis.client import build_client
from djust.state_backend.redis.layout import Header, Layout, owner_bucket, parse_header
from djust.state_backend.redis.reconcile import Reconciler
from djust.state_backend.redis.scripts import LEASE, MARK, RELEASE, TOUCH, WRITE
from djust.state_backend.redis.sweep import RedisSweep, SweepOperations

#: Reports that a killed process can lose at most.
CLAIM_SIZE = 25
REAP_SIZE = 1000

#: Index entries that a write looks at, and how many writes share one look while nothing is found.
LOOKS = 4
LOOK_EVERY = 4
#: Writes that each take a look after one has found something.
EAGER_WRITES = 32

#: Writes whose reply was lost that are remembered until they are tried again.
MAX_UNCERTAIN = 1000


class RedisStateBackend(StateBackend):
    """Keeps sessions in Redis, or Valkey, 6.0 or later. Building it does not connect.

    Args:
        redis_url: ``redis://``, ``rediss://``, ``unix://`` or ``redis+cluster://``.
        default_ttl: Seconds, for sessions that are given none.
        key_prefix: What every key starts with.
        max_age: Seconds after creation at which every session expires.
        timeout: Seconds to wait for a connection, and for an answer.
        max_connections: Connections to hold at most, for all threads together and for each event loop.
        codec: Turns states into bytes.
    """

    name = "redis"

    def __init__(
        self,
        redis_url: str,
        default_ttl: float = 3600,
        key_prefix: str = "djust:",
        *,
        max_age: float | None = None,
        timeout: float = 2.0,
        max_connections: int = 50,
        codec: Codec | None = None,
    ) -> None:
        super().__init__(default_ttl, max_age=max_age)
        self._address = parse_address(redis_url)
        self._layout = Layout(key_prefix)
        self._codec = codec or Codec.from_config(Config())
        self._availability = Availability(self._address.endpoint)
        self._limits = {"timeout": check_seconds("timeout", timeout), "max_connections": max_connections}
        self._client = build_client(self._address, self._availability, **self._limits)
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()
        self._default_ttl_ms = ttl_milliseconds(self.default_ttl)
        self._max_age_ms = 0 if self.max_age is None else ttl_milliseconds(self.max_age)
        self._writes = 0
        self._eager_writes = 0
        self._uncertain: OrderedDict[str, tuple[int, bytes, bytes]] = OrderedDict()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(
            config.redis_url,
            config.session_ttl,
            config.key_prefix,
            max_age=config.session_max_age,
            timeout=config.redis_timeout,
            max_connections=config.redis_max_connections,
            codec=Codec.from_config(config),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.endpoint!r})"

    # One session

    def get(self, key: str) -> Session | None:
        name = check_name("key", key).encode()
        payload = self._client.send(self._get_call(name))
        if payload is None:
            return None
        session, mark = self._read(key, name, payload)
        if mark is not None:
            self._client.send(mark)
        return session

    async def aget(self, key: str) -> Session | None:
        name = check_name("key", key).encode()
        payload = await self._aclient.send(self._get_call(name))
        if payload is None:
            return None
        session, mark = self._read(key, name, payload)
        if mark is not None:
            await self._aclient.send(mark)
        return session

    def set(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None = None,
        *,
        owner: str | int | None = None,
        label: str | None = None,
        expected_version: int | None = None,
    ) -> Session:
        body, version, call = self._write(key, state, ttl, owner, label, expected_version)
        try:
            reply = self._client.send(call)
        except BackendUnavailable:
            self._remember(key, expected_version, body, version)
            raise
        return self._saved(key, state, reply)

    async def aset(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None = None,
        *,
        owner: str | int | None = None,
        label: str | None = None,
        expected_version: int | None = None,
    ) -> Session:
        body, version, call = self._write(key, state, ttl, owner, label, expected_version)
        try:
            reply = await self._aclient.send(call)
        except BackendUnavailable:
            self._remember(key, expected_version, body, version)
            raise
        return self._saved(key, state, reply)

    def touch(self, key: str, ttl: float | None = None) -> bool:
        return bool(self._client.send(self._touch_call(key, ttl)) == 1)

    async def atouch(self, key: str, ttl: float | None = None) -> bool:
        return bool(await self._aclient.send(self._touch_call(key, ttl)) == 1)

    def delete(self, key: str) -> bool:
        return self._deleted(key, self._client.send(self._delete_call(key)))

    async def adelete(self, key: str) -> bool:
        return self._deleted(key, await self._aclient.send(self._delete_call(key)))

    # Many sessions

    def delete_owner(self, owner: str | int) -> int:
        return self._client.drive(operations.delete_owner(self._layout, check_name("owner", owner).encode()))

    async def adelete_owner(self, owner: str | int) -> int:
        return await self._aclient.drive(operations.delete_owner(self._layout, check_name("owner", owner).encode()))

    def delete_all(self) -> int:
        return self._client.drive(operations.delete_all(self._layout))

    async def adelete_all(self) -> int:
        return await self._aclient.drive(operations.delete_all(self._layout))

    def iter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> Iterator[SessionInfo]:
        names = _filter_names(owner, label)
        number, cursor = 0, b"0"
        while number < len(self._layout.shards):
            page = self._client.drive(operations.page(self._layout, number, cursor, page_size, *names))
            yield from page.sessions
            number, cursor = page.next_shard, page.cursor

    async def aiter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> AsyncIterator[SessionInfo]:
        names = _filter_names(owner, label)
        number, cursor = 0, b"0"
        while number < len(self._layout.shards):
            page = await self._aclient.drive(operations.page(self._layout, number, cursor, page_size, *names))
            for session in page.sessions:
                yield session
            number, cursor = page.next_shard, page.cursor

    # Figures

    def get_stats(self) -> dict[str, Any]:
        return self._stats(self._client.drive(operations.collect_stats(self._layout)))

    async def aget_stats(self) -> dict[str, Any]:
        return self._stats(await self._aclient.drive(operations.collect_stats(self._layout)))

    def get_memory_stats(self) -> dict[str, Any]:
        return self._client.drive(operations.memory_stats(self._layout, random.Random()))

    async def aget_memory_stats(self) -> dict[str, Any]:
        return await self._aclient.drive(operations.memory_stats(self._layout, random.Random()))

    def health_check(self) -> dict[str, Any]:
        started = time.perf_counter()
        try:
            self._client.send(command("PING"))
        except DjustError as error:
            return _health(started, str(error))
        return _health(started, None)

    async def ahealth_check(self) -> dict[str, Any]:
        started = time.perf_counter()
        try:
            await self._aclient.send(command("PING"))
        except DjustError as error:
            return _health(started, str(error))
        return _health(started, None)

    def server_info(self, section: str) -> list[dict[str, Any]]:
        """Return the fields of ``INFO section`` of each primary, with its name under ``node``.

        Raises:
            BackendDenied: The server does not let this user ask.
        """
        return self._client.drive(operations.server_info(section))

    # Clean-up

    def open_sweep(self, *, ttl: float | None = None, token: str = "") -> RedisSweep:
        return RedisSweep(self._client, self._sweep(ttl, token))

    def backlog(self) -> Backlog:
        return self._client.drive(operations.backlog(self._layout))

    def count_due(self, ttl: float | None = None) -> int:
        due = self.backlog().sessions
        if ttl is None:
            return due
        return due + self._client.drive(operations.count_idle(self._layout, ttl_milliseconds(ttl)))

    def acquire_lease(self, name: str, token: str, seconds: float) -> bool:
        call = run(LEASE, (self._layout.lease(name),), token, ttl_milliseconds(seconds), repeatable=True)
        return bool(self._client.send(call) == 1)

    def release_lease(self, name: str, token: str) -> None:
        self._client.send(run(RELEASE, (self._layout.lease(name),), token, repeatable=True))

    def cleanup_expired(self, ttl: float | None = None) -> int:
        if ttl is not None and check_seconds("ttl", ttl) <= 0:
            return 0
        steps, removed, done = self._sweep(ttl, os.urandom(8).hex()), 0, False
        while not done:
            done = self._client.drive(steps.reap(REAP_SIZE)).done
            while gone := self._client.drive(steps.claim(CLAIM_SIZE)):
                announce(type(self), gone)
                removed += sum(session.expired for session in gone)
        self._client.drive(steps.close())
        return removed

    async def acleanup_expired(self, ttl: float | None = None) -> int:
        if ttl is not None and check_seconds("ttl", ttl) <= 0:
            return 0
        steps, removed, done = self._sweep(ttl, os.urandom(8).hex()), 0, False
        while not done:
            done = (await self._aclient.drive(steps.reap(REAP_SIZE))).done
            while gone := await self._aclient.drive(steps.claim(CLAIM_SIZE)):
                await aannounce(type(self), gone)
                removed += sum(session.expired for session in gone)
        await self._aclient.drive(steps.close())
        return removed

    def reconcile(self, cursor: str | None, *, repair: frozenset[str] = frozenset()) -> ReconcileStep:
        reconciler = Reconciler(self._layout, self._codec, repair=repair, default_ttl_ms=self._default_ttl_ms)
        return self._client.drive(reconciler.step(cursor))

    # Connections

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    @property
    def _aclient(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._async_clients.get(loop)
        if client is None:
            client = build_async_client(self._address, self._availability, **self._limits)
            self._async_clients[loop] = client
        return client

    # What is sent, and what the replies mean: the same for both clients

    def _get_call(self, name: bytes) -> Call:
        return command(b"GET", self._layout.shard(name).payload(name))

    def _read(self, key: str, name: bytes, payload: bytes) -> tuple[Session | None, Call | None]:
        """Return the session, or ``None`` and perhaps a call that marks its damaged payload."""
        header: Header | None = None
        try:
            header = parse_header(payload)
            return header.session(key, self._codec.decode(payload[header.body_offset :])), None
        except CodecError as error:
            if header is not None and header.marked:
                return None, None
            logger.error("session_undecodable", session=hashed(key), reason=str(error), bytes=len(payload))
            if header is None or isinstance(error, PayloadTooNew):
                return None, None
            return None, run(MARK, (self._layout.shard(name).payload(name),), header.version.to_bytes(8))

    def _write(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None,
        owner: str | int | None,
        label: str | None,
        expected_version: int | None,
    ) -> tuple[bytes, bytes, Call]:
        name = check_name("key", key).encode()
        owner_name = b"" if owner is None else check_name("owner", owner).encode()
        expected = check_version(expected_version)
        body = self._codec.encode(state)
        version = self._version_for(key, expected, body)
        shard = self._layout.shard(name)
        call = run(
            WRITE,
            (shard.payload(name), shard.due, shard.act, shard.never, shard.gone, shard.meta),
            name,
            version,
            b"" if expected is None else b"new" if expected == 0 else expected.to_bytes(8),
            b"" if ttl is None else ttl_milliseconds(check_seconds("ttl", ttl)),
            self._default_ttl_ms,
            self._max_age_ms,
            owner_name,
            owner_bucket(owner_name) if owner_name else 0,
            b"" if label is None else check_name("label", label).encode(),
            body,
            self._looks(),
            repeatable=True,
        )
        return body, version, call

    def _looks(self) -> int:
        """Return how many index entries the next write looks at: more often while some are found to be over."""
        self._writes += 1
        if self._eager_writes > 0:
            self._eager_writes -= 1
            return LOOKS
        return LOOKS if self._writes % LOOK_EVERY == 0 else 0

    def _version_for(self, key: str, expected: int | None, body: bytes) -> bytes:
        """Return a new version, or the one of the same write whose reply was lost.

        A version is 63 random bits: it names this very write, so that the script recognises a repeated one, and no
        two incarnations of a session ever share one.
        """
        if expected is not None:
            lost = self._uncertain.pop(key, None)
            if lost is not None and lost[0] == expected and lost[1] == body:
                return lost[2]
        number = int.from_bytes(os.urandom(8)) >> 1
        return (number or 1).to_bytes(8)

    def _remember(self, key: str, expected: int | None, body: bytes, version: bytes) -> None:
        if expected is None:
            return
        self._uncertain[key] = (expected, body, version)
        while len(self._uncertain) > MAX_UNCERTAIN:
            self._uncertain.popitem(last=False)

    def _saved(self, key: str, state: dict[str, Any], reply: Any) -> Session:
        if isinstance(reply, list):
            header = parse_header(reply[0])
            if reply[1]:
                self._eager_writes = EAGER_WRITES
            if logger.isEnabledFor("debug") and header.created == header.active:
                logger.debug("session_created", session=hashed(key), label=header.label)
            return header.session(key, state)
        if reply == b"C":
            raise VersionConflict
        if reply == b"G":
            raise SessionGone
        if reply == b"U":
            raise SessionUnreadable
        raise BackendError("Redis answered a write in a way that this release does not know.")

    def _touch_call(self, key: str, ttl: float | None) -> Call:
        name = check_name("key", key).encode()
        shard = self._layout.shard(name)
        return run(
            TOUCH,
            (shard.payload(name), shard.due, shard.act, shard.never),
            name,
            b"" if ttl is None else ttl_milliseconds(check_seconds("ttl", ttl)),
            self._max_age_ms,
            repeatable=True,
        )

    def _delete_call(self, key: str) -> Call:
        name = check_name("key", key).encode()
        return operations.delete_call(self._layout.shard(name), name)

    def _deleted(self, key: str, reply: int) -> bool:
        if reply and logger.isEnabledFor("debug"):
            logger.debug("session_deleted", session=hashed(key))
        return reply == 1

    def _sweep(self, ttl: float | None, token: str) -> SweepOperations:
        return SweepOperations(self._layout, ttl=ttl, token=token, max_age_ms=self._max_age_ms)

    def _stats(self, stats: operations.Stats) -> dict[str, Any]:
        return {
            "backend": self.name,
            "total_sessions": stats.live,
            "overdue_sessions": stats.overdue,
            "oldest_session_age": stats.oldest,
            "newest_session_age": stats.newest,
            "average_age": stats.average,
            "verified_at": from_milliseconds(stats.now_ms),
        }


def _filter_names(owner: str | int | None, label: str | None) -> tuple[bytes, bytes]:
    return (
        b"" if owner is None else check_name("owner", owner).encode(),
        b"" if label is None else check_name("label", label).encode(),
    )


def _health(started: float, error: str | None) -> dict[str, Any]:
    return {
        "status": "unhealthy" if error else "healthy",
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
        "error": error,
    }


__all__ = ["RedisStateBackend"]
