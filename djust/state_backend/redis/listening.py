"""Hears what is published on the channel of a store: one connection for each listener, connected again for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ResponseError

from djust.exceptions import BackendUnavailable, DjustError
from djust.log import logger
from djust.state_backend.notices import LOOK
from djust.state_backend.records import Notice
from djust.state_backend.redis.address import Address
from djust.state_backend.redis.aio import async_options
from djust.state_backend.redis.availability import Availability
from djust.state_backend.redis.errors import REDIS_ERRORS, translate
from djust.state_backend.redis.layout import parse_notice

#: Seconds. After this long without a word the server is asked whether it is still there.
QUIET_SECONDS = 10.0

#: Seconds. The longest pause between two attempts, and that of a user who may not listen.
MAX_PAUSE_SECONDS = 5.0
DENIED_PAUSE_SECONDS = 60.0

_FIRST_PAUSE_SECONDS = 0.1

_random = random.SystemRandom()


class Listener:
    """Listens for one caller, in one event loop.

    Args:
        address: Where Redis is.
        channel: Where notices are published.
        availability: Is told when the server cannot be reached, and when it can again.
        timeout: Seconds to wait for a connection, and for an answer.
        nodes: Returns the ``host:port`` of the nodes of a cluster; ``None``: there is one server.
    """

    def __init__(
        self,
        address: Address,
        channel: bytes,
        availability: Availability,
        *,
        timeout: float,
        nodes: Callable[[], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        self._address = address
        self._channel = channel
        self._availability = availability
        self._timeout = timeout
        self._nodes = nodes
        self._maker = ConnectionPool.from_url(address.url, **async_options(timeout))
        self._connection: Any = None
        self._node = ""
        self._failures = 0
        self._reported = False
        self._denied = False

    async def notices(self) -> AsyncGenerator[Notice, None]:
        """Yield ``resubscribed`` after each time that it connected, and every notice."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    await self._subscribe()
                except REDIS_ERRORS as error:
                    await self._close()
                    await asyncio.sleep(self._failed(translate(error, self._address.endpoint)))
                    continue
                except DjustError as error:
                    await asyncio.sleep(self._failed(error))
                    continue
                self._worked()
                since = loop.time()
                yield LOOK
                while (notice := await self._next()) is not None:
                    yield notice
                await self._close()
                if loop.time() - since > MAX_PAUSE_SECONDS:
                    self._failures = 0
                await asyncio.sleep(self._pause())
        finally:
            await self._close()

    async def _subscribe(self) -> None:
        self._connection = connection = self._maker.connection_class(
            **{**self._maker.connection_kwargs, **await self._place()}
        )
        async with asyncio.timeout(self._timeout):
            await connection.connect()
            await connection.send_command("SUBSCRIBE", self._channel, check_health=False)
            await connection.read_response()

    async def _place(self) -> dict[str, Any]:
        """Return where to connect to, where that is not what the URL says: another node than the last time."""
        if self._nodes is None:
            return {}
        # The name in the URL may lead to a node that nobody here has heard of yet.
        names = {*await self._nodes(), self._address.endpoint}
        self._node = _random.choice([name for name in names if name != self._node] or [*names])
        host, _, port = self._node.rpartition(":")
        return {"host": host, "port": int(port)}

    async def _next(self) -> Notice | None:
        """Return the next notice; ``None``: the connection is gone."""
        while True:
            try:
                reply = await self._connection.read_response(timeout=QUIET_SECONDS)
                if reply is None:
                    await self._connection.send_command("PING", check_health=False)
                    reply = await self._connection.read_response(timeout=self._timeout)
                    if reply is None:
                        return None
            except ResponseError:
                # Who may not PING is answered, too.
                continue
            except REDIS_ERRORS:
                return None
            if reply[0] == b"message":
                notice = parse_notice(reply[2])
                if notice is not None:
                    return notice

    def _failed(self, error: DjustError) -> float:
        """Say that it could not connect, once until it can; return how many seconds to wait."""
        if not isinstance(error, BackendUnavailable):
            if not self._denied:
                self._denied = True
                logger.warning(
                    "notices_unavailable", backend="redis", endpoint=self._address.endpoint, reason=str(error)
                )
            return DENIED_PAUSE_SECONDS
        if not self._reported:
            self._reported = True
            self._availability.failed(error, (b"",))
        return self._pause()

    def _worked(self) -> None:
        self._denied = self._reported = False
        if self._availability.down:
            self._availability.worked((b"",), wrote=False)

    def _pause(self) -> float:
        """Return how many seconds to wait: up to twice as long each time, and not all processes at once."""
        longest = min(MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        return _random.uniform(0, longest)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*REDIS_ERRORS):
                await connection.disconnect()
