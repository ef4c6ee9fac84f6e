"""The asynchronous client. What is sent in one tick of the event loop shares a round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError, SlotNotCoveredError

from djust.exceptions import BackendDenied, BackendUnavailable, DjustError
from djust.state_backend.redis.address import Address
from djust.state_backend.redis.availability import Availability
from djust.state_backend.redis.calls import Call, Homes, Operation, Primaries, Request, T, pack
from djust.state_backend.redis.client import options
from djust.state_backend.redis.errors import REDIS_ERRORS, is_connection_error, translate

#: Calls that share one round trip at most, so that one large tick does not hold a connection for long.
MAX_BATCH = 128


class AsyncClient:
    """Talks to one server from one event loop."""

    def __init__(self, address: Address, availability: Availability, *, timeout: float, max_connections: int) -> None:
        self._endpoint = address.endpoint
        self._availability = availability
        self._pending: list[tuple[Call, asyncio.Future[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._build(address, timeout, max_connections)

    def _build(self, address: Address, timeout: float, max_connections: int) -> None:
        self._timeout = timeout
        self._pool = BlockingConnectionPool.from_url(
            address.url,
            max_connections=max_connections,
            timeout=timeout,
            **async_options(timeout),
        )

    async def send(self, call: Call) -> Any:
        """Send one call, together with all others of this tick, and return its reply.

        Raises:
            BackendUnavailable, BackendFull, BackendDenied, BackendError: Translated, see ``errors``.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._pending.append((call, future))
        if len(self._pending) == 1:
            loop.call_soon(self._flush)
        return self._checked(call, await future)

    async def send_many(self, calls: Sequence[Call]) -> list[Any]:
        """Send calls in one round trip and return their replies; the first that failed is raised."""
        return [self._checked(call, reply) for call, reply in zip(calls, await self._replies(calls), strict=True)]

    async def drive(self, operation: Operation[T]) -> T:
        """Run an operation to its end and return its result."""
        try:
            request = next(operation)
            while True:
                try:
                    answer = await self._reply(request)
                except BackendDenied as error:
                    # An operation may know how to do without.
                    request = operation.throw(error)
                else:
                    request = operation.send(answer)
        except StopIteration as stop:
            return cast(T, stop.value)

    async def _reply(self, request: Request) -> list[Any]:
        if isinstance(request, Primaries):
            return await self.primaries()
        if isinstance(request, Homes):
            return await self.homes(request.keys)
        return await self.send_many(request)

    async def primaries(self) -> list[str]:
        """Return the names of the primaries, for ``Call.node``."""
        return [self._endpoint]

    async def homes(self, keys: Sequence[bytes]) -> list[str]:
        """Return the name of the primary of each key."""
        return [self._endpoint] * len(keys)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    def _place(self, call: Call) -> bytes:
        """Return the part of the store that a call went to, see ``Availability``."""
        return b""

    def _checked(self, call: Call, reply: Any) -> Any:
        if isinstance(reply, DjustError):
            self._availability.failed(reply, (self._place(call),))
            raise reply
        if self._availability.down:
            self._availability.worked((self._place(call),), wrote=call.wrote(reply))
        return reply

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        for start in range(0, len(pending), MAX_BATCH):
            task = asyncio.get_running_loop().create_task(self._answer(pending[start : start + MAX_BATCH]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, batch: list[tuple[Call, asyncio.Future[Any]]]) -> None:
        try:
            replies = await self._replies([call for call, _ in batch])
            for (_call, future), reply in zip(batch, replies, strict=True):
                if not future.done():
                    future.set_result(reply)
        finally:
            # Whatever happened, nobody waits for ever.
            for _call, future in batch:
                if not future.done():
                    future.set_result(BackendUnavailable(f"The call to Redis at {self._endpoint} broke off."))

    async def _replies(self, calls: Sequence[Call]) -> list[Any]:
        """Return replies, with errors of djust in the place of those that failed."""
        try:
            replies = await self._exchange(calls, [call.args for call in calls])
        except REDIS_ERRORS as error:
            replies = await self._repeat(calls, error)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            some = [calls[i] for i in unknown]
            try:
                again = await self._exchange(some, [call.with_source() for call in some])
            except REDIS_ERRORS as error:
                again = [error] * len(some)
            for i, reply in zip(unknown, again, strict=True):
                replies[i] = reply
        replies = [translate(reply, self._endpoint) if isinstance(reply, REDIS_ERRORS) else reply for reply in replies]
        if any(isinstance(reply, BackendUnavailable) for reply in replies):
            await self._start_afresh()
        return replies

    async def _start_afresh(self) -> None:
        """Let the next call connect anew: after a failover the host's name may lead to another server."""
        await self._pool.disconnect(inuse_connections=False)

    async def _repeat(self, calls: Sequence[Call], error: Exception) -> list[Any]:
        """Repeat what may be repeated after a broken connection; nobody knows what became of the rest."""
        replies: list[Any] = [error] * len(calls)
        if not is_connection_error(error):
            return replies
        safe = [i for i, call in enumerate(calls) if call.repeatable]
        if safe:
            some = [calls[i] for i in safe]
            try:
                again = await self._exchange(some, [call.args for call in some])
            except REDIS_ERRORS as second:
                again = [second] * len(some)
            for i, reply in zip(safe, again, strict=True):
                replies[i] = reply
        return replies

    async def _exchange(self, calls: Sequence[Call], commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        connection = await self._pool.get_connection()
        try:
            # One clock for the whole batch: redis-py's own would be set and cleared for every reply. It only watches
            # over the handshake.
            connection.socket_timeout = None
            async with asyncio.timeout(self._timeout):
                await connection.send_packed_command(pack(commands), check_health=False)
                replies: list[Any] = []
                for _ in commands:
                    try:
                        replies.append(await connection.read_response())
                    except ResponseError as error:
                        replies.append(error)
                return replies
        except BaseException:
            # What was not read yet must not answer somebody else's call.
            await connection.disconnect(nowait=True)
            raise
        finally:
            connection.socket_timeout = self._timeout
            await self._pool.release(connection)


class AsyncClusterClient(AsyncClient):
    """Talks to a Redis Cluster from one event loop. Every call names keys of one shard, or a node."""

    def _place(self, call: Call) -> bytes:
        return call.place

    def _flush(self) -> None:
        # Calls of one tick go to different nodes, and none waits for a node that is not its own.
        pending, self._pending = self._pending, []
        for asked in pending:
            task = asyncio.get_running_loop().create_task(self._answer([asked]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start_afresh(self) -> None:
        """Leave it to redis-py, which asks the cluster who is primary now."""

    def _build(self, address: Address, timeout: float, max_connections: int) -> None:
        # redis-py's cluster client does not wait for a free connection, so its callers do.
        self._timeout = timeout
        self._free = asyncio.Semaphore(max_connections)
        self._cluster = RedisCluster.from_url(address.url, max_connections=max_connections, **async_options(timeout))

    async def primaries(self) -> list[str]:
        return await self._ask(lambda cluster: [node.name for node in cluster.get_primaries()])

    async def homes(self, keys: Sequence[bytes]) -> list[str]:
        return await self._ask(lambda cluster: [_home(cluster, key) for key in keys])

    async def _ask(self, question: Callable[[RedisCluster], list[str]]) -> list[str]:
        try:
            await self._cluster.initialize()
            return question(self._cluster)
        except REDIS_ERRORS as error:
            failure = translate(error, self._endpoint)
        self._availability.failed(failure, (b"",))
        raise failure

    async def close(self) -> None:
        await self._cluster.aclose()

    async def _exchange(self, calls: Sequence[Call], commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        await self._cluster.initialize()
        return list(await asyncio.gather(*(self._one(call, args) for call, args in zip(calls, commands, strict=True))))

    async def _one(self, call: Call, args: tuple[Any, ...]) -> Any:
        target = {"target_nodes": self._cluster.get_node(node_name=call.node)} if call.node else {}
        try:
            return await self._execute(args, target)
        except REDIS_ERRORS as error:
            if is_connection_error(error) and call.repeatable and not isinstance(error, ResponseError):
                return await self._again(args, target)
            return error

    async def _again(self, args: tuple[Any, ...], target: dict[str, Any]) -> Any:
        try:
            return await self._execute(args, target)
        except REDIS_ERRORS as error:
            return error

    async def _execute(self, args: tuple[Any, ...], target: dict[str, Any]) -> Any:
        # Waiting for a free place counts too: a node that hangs must not keep others' calls for longer.
        async with asyncio.timeout(self._timeout), self._free:
            return await self._cluster.execute_command(*args, **target)


def _home(cluster: RedisCluster, key: bytes) -> str:
    node = cluster.get_node_from_key(cast(str, key))  # It takes bytes as well, whatever its annotation says.
    if node is None:
        raise SlotNotCoveredError("No primary holds this slot.")
    return str(node.name)


def async_options(timeout: float) -> dict[str, Any]:
    """Return the connection options of the asynchronous side."""
    return {**options(timeout), "retry": Retry(NoBackoff(), 0)}


def build_async_client(
    address: Address, availability: Availability, *, timeout: float, max_connections: int
) -> AsyncClient:
    """Return the client of the running event loop that fits the address. Does not connect."""
    kind = AsyncClusterClient if address.cluster else AsyncClient
    return kind(address, availability, timeout=timeout, max_connections=max_connections)
