"""The Redis backend: one round trip for each read, write or touch."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any, Self
from weakref import WeakKeyDictionary

from djust.codec import Codec
from djust.conf import Config
from djust.exceptions import (
    DjustError,
    SessionUnreadable,
)
from djust.state_backend.announce import aannounce, announce
from djust.state_backend.arguments import check_name, check_notice, check_seconds, ttl_milliseconds
from djust.state_backend.base import StateBackend
from djust.state_backend.records import Backlog, Notice, ReconcileStep, Session, SessionInfo, SessionPage
from djust.state_backend.redis import operations, stats
from djust.state_backend.redis.address import parse_address
from djust.state_backend.redis.aio import AsyncClient, build_async_client
from djust.state_backend.redis.availability import Availability
from djust.state_backend.redis.calls import Call, command, run
from djust.state_backend.redis.client import build_client
from djust.state_backend.redis.layout import Layout
from djust.state_backend.redis.listening import Listener
from djust.state_backend.redis.messages import Messages
from djust.state_backend.redis.monitor import RedisMonitor
from djust.state_backend.redis.pages import Pages, session_sizes
from djust.state_backend.redis.reconcile import Reconciler, parse_cursor
from djust.state_backend.redis.scripts import LEASE, RELEASE
from djust.state_backend.redis.sweep import RedisSweep, SweepOperations

#: Reports that a killed process can lose at most.
CLAIM_SIZE = 25
REAP_SIZE = 125


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
        self._layout = Layout(key_prefix, self._address.database)
        self._codec = codec or Codec.from_config(Config())
        self._availability = Availability(self._address.endpoint)
        self._limits: dict[str, Any] = {
            "timeout": check_seconds("timeout", timeout),
            "max_connections": max_connections,
        }
        self._client = build_client(self._address, self._availability, **self._limits)
        self._async_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()
        self._default_ttl_ms = ttl_milliseconds(self.default_ttl)
        self._max_age_ms = 0 if self.max_age is None else ttl_milliseconds(self.max_age)
        place = f"{self._address.endpoint}/{self._address.database}"
        self._monitor = RedisMonitor(self._client, self._layout, place=place, max_age_ms=self._max_age_ms)
        self._messages = Messages(
            self._layout, self._codec, default_ttl_ms=self._default_ttl_ms, max_age_ms=self._max_age_ms
        )

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
        try:
            payload = self._client.send(self._messages.read(name))
        except SessionUnreadable as error:
            self._messages.unreadable(key, error)
            return None
        if payload is None:
            return None
        session, mark = self._messages.read_reply(key, name, payload)
        if mark is not None:
            self._client.send(mark)
        return session

    async def aget(self, key: str) -> Session | None:
        name = check_name("key", key).encode()
        try:
            payload = await self._aclient.send(self._messages.read(name))
        except SessionUnreadable as error:
            self._messages.unreadable(key, error)
            return None
        if payload is None:
            return None
        session, mark = self._messages.read_reply(key, name, payload)
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
        write = self._messages.write(key, state, ttl, owner, label, expected_version)
        try:
            reply = self._client.send(write.call)
        except BaseException as error:
            self._messages.remember_unless_answered(write, error)
            raise
        return self._messages.write_reply(key, state, reply)

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
        write = self._messages.write(key, state, ttl, owner, label, expected_version)
        try:
            reply = await self._aclient.send(write.call)
        except BaseException as error:
            self._messages.remember_unless_answered(write, error)
            raise
        return self._messages.write_reply(key, state, reply)

    def touch(self, key: str, ttl: float | None = None) -> bool:
        return bool(self._client.send(self._messages.touch(key, ttl)) == 1)

    async def atouch(self, key: str, ttl: float | None = None) -> bool:
        return bool(await self._aclient.send(self._messages.touch(key, ttl)) == 1)

    def delete(self, key: str) -> bool:
        return self._messages.delete_reply(key, self._client.send(self._messages.delete(key)))

    async def adelete(self, key: str) -> bool:
        return self._messages.delete_reply(key, await self._aclient.send(self._messages.delete(key)))

    # Many sessions

    def delete_owner(self, owner: str | int) -> int:
        return self._client.drive(operations.delete_owner(self._layout, check_name("owner", owner).encode()))

    async def adelete_owner(self, owner: str | int) -> int:
        return await self._aclient.drive(operations.delete_owner(self._layout, check_name("owner", owner).encode()))

    def delete_all(self) -> int:
        return self._client.drive(operations.delete_all(self._layout))

    async def adelete_all(self) -> int:
        return await self._aclient.drive(operations.delete_all(self._layout))

    def page_sessions(
        self, cursor: str | None = None, *, owner: str | int | None = None, label: str | None = None, size: int = 100
    ) -> SessionPage:
        return self._client.drive(Pages(self._layout, owner, label, size).page(cursor))

    async def apage_sessions(
        self, cursor: str | None = None, *, owner: str | int | None = None, label: str | None = None, size: int = 100
    ) -> SessionPage:
        return await self._aclient.drive(Pages(self._layout, owner, label, size).page(cursor))

    def session_sizes(self, keys: Sequence[str]) -> list[int | None]:
        return self._client.drive(session_sizes(self._layout, keys))

    async def asession_sizes(self, keys: Sequence[str]) -> list[int | None]:
        return await self._aclient.drive(session_sizes(self._layout, keys))

    def iter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> Iterator[SessionInfo]:
        page = self.page_sessions(owner=owner, label=label, size=page_size)
        yield from page.sessions
        while page.cursor is not None:
            page = self.page_sessions(page.cursor, owner=owner, label=label, size=page_size)
            yield from page.sessions

    async def aiter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> AsyncIterator[SessionInfo]:
        page = await self.apage_sessions(owner=owner, label=label, size=page_size)
        for session in page.sessions:
            yield session
        while page.cursor is not None:
            page = await self.apage_sessions(page.cursor, owner=owner, label=label, size=page_size)
            for session in page.sessions:
                yield session

    # Figures

    def get_stats(self) -> dict[str, Any]:
        return self._stats(self._client.drive(stats.collect_stats(self._layout)))

    async def aget_stats(self) -> dict[str, Any]:
        return self._stats(await self._aclient.drive(stats.collect_stats(self._layout)))

    def get_memory_stats(self) -> dict[str, Any]:
        return self._client.drive(stats.memory_stats(self._layout, random.SystemRandom()))

    async def aget_memory_stats(self) -> dict[str, Any]:
        return await self._aclient.drive(stats.memory_stats(self._layout, random.SystemRandom()))

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

    @property
    def monitor(self) -> RedisMonitor:
        return self._monitor

    # Clean-up

    def open_sweep(self, *, ttl: float | None = None, token: str = "") -> RedisSweep:
        return RedisSweep(self._client, self._sweep(ttl, token))

    def backlog(self) -> Backlog:
        return self._client.drive(stats.backlog(self._layout))

    def count_due(self, ttl: float | None = None) -> int:
        due = self.backlog().sessions
        if ttl is None:
            return due
        return due + self._client.drive(stats.count_idle(self._layout, ttl_milliseconds(ttl)))

    def acquire_lease(self, name: str, token: str, seconds: float) -> bool:
        return bool(self._client.send(self._acquire(name, token, seconds)) == 1)

    async def aacquire_lease(self, name: str, token: str, seconds: float) -> bool:
        return bool(await self._aclient.send(self._acquire(name, token, seconds)) == 1)

    def release_lease(self, name: str, token: str) -> None:
        self._client.send(self._release(name, token))

    async def arelease_lease(self, name: str, token: str) -> None:
        await self._aclient.send(self._release(name, token))

    async def alease_holder(self, name: str) -> str | None:
        holder = await self._aclient.send(command("GET", self._layout.lease(name)))
        return None if holder is None else bytes(holder).decode()

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

    def check_cursor(self, cursor: str) -> None:
        parse_cursor(cursor)

    def reconcile(self, cursor: str | None, *, repair: frozenset[str] = frozenset()) -> ReconcileStep:
        reconciler = Reconciler(self._layout, self._codec, repair=repair, default_ttl_ms=self._default_ttl_ms)
        return self._client.drive(reconciler.step(cursor))

    # Notices

    def publish(self, topic: str, message: bytes) -> None:
        notice = check_notice(topic, message)
        [node] = self._client.homes([self._layout.channel])
        self._client.send(operations.publish_call(self._layout, notice, node))

    async def apublish(self, topic: str, message: bytes) -> None:
        notice, client = check_notice(topic, message), self._aclient
        [node] = await client.homes([self._layout.channel])
        await client.send(operations.publish_call(self._layout, notice, node))

    def alisten(self) -> AsyncGenerator[Notice, None]:
        listener = Listener(
            self._address,
            self._layout.channel,
            self._availability,
            timeout=self._limits["timeout"],
            nodes=self._primaries if self._address.cluster else None,
        )
        return listener.notices()

    # Connections

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _primaries(self) -> list[str]:
        return await self._aclient.primaries()

    @property
    def _aclient(self) -> AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._async_clients.get(loop)
        if client is None:
            self._forget_closed_loops()
            client = build_async_client(self._address, self._availability, **self._limits)
            self._async_clients[loop] = client
        return client

    def _forget_closed_loops(self) -> None:
        """Let go of connections whose event loop has ended: they refer to it, so it would never be collected."""
        for reference in self._async_clients.keyrefs():
            loop = reference()
            if loop is not None and loop.is_closed():
                self._async_clients.pop(loop, None)

    def _acquire(self, name: str, token: str, seconds: float) -> Call:
        return run(LEASE, (self._layout.lease(name),), token, ttl_milliseconds(seconds), repeatable=True)

    def _release(self, name: str, token: str) -> Call:
        return run(RELEASE, (self._layout.lease(name),), token, repeatable=True)

    def _sweep(self, ttl: float | None, token: str) -> SweepOperations:
        return SweepOperations(self._layout, ttl=ttl, token=token, max_age_ms=self._max_age_ms)

    def _stats(self, found: stats.Stats) -> dict[str, Any]:
        return {
            "backend": self.name,
            "total_sessions": found.live,
            "overdue_sessions": found.overdue,
            "oldest_session_age": found.oldest,
            "newest_session_age": found.newest,
            "average_age": found.average,
            "verified_at": found.verified_at,
        }


def _health(started: float, error: str | None) -> dict[str, Any]:
    return {
        "status": "unhealthy" if error else "healthy",
        "latency_ms": round((time.perf_counter() - started) * 1000, 3),
        "error": error,
    }


__all__ = ["RedisStateBackend"]
