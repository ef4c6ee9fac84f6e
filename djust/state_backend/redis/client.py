"""The synchronous client: sends calls, returns replies, knows nothing of sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from djust.exceptions import BackendDenied, BackendUnavailable, DjustError
from djust.state_backend.redis.address import Address
from djust.state_backend.redis.availability import Availability
from djust.state_backend.redis.calls import Call, Homes, Operation, Primaries, Request, T, pack
from djust.state_backend.redis.connections import Connections
from djust.state_backend.redis.errors import REDIS_ERRORS, is_connection_error, translate


def options(timeout: float) -> dict[str, Any]:
    """Return the connection options that both clients share.

    RESP2 is enough for us and also spoken by servers that refuse HELLO. redis-py must not repeat commands by itself:
    it cannot know which may be repeated.
    """
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
    }


class Client:
    """Talks to one server. Connects at the first call; may be shared by threads."""

    def __init__(self, address: Address, availability: Availability, *, timeout: float, max_connections: int) -> None:
        self._endpoint = address.endpoint
        self._availability = availability
        self._connections = Connections(
            address.url, max_connections=max_connections, timeout=timeout, options=options(timeout)
        )

    def send(self, call: Call) -> Any:
        """Send one call and return its reply.

        Raises:
            BackendUnavailable, BackendFull, BackendDenied, BackendError: Translated, see ``errors``.
        """
        return self.send_many((call,))[0]

    def send_many(self, calls: Sequence[Call]) -> list[Any]:
        """Send calls in one round trip and return their replies; the first that failed is raised."""
        failure: DjustError
        failed = calls
        try:
            replies = self._exchange_calls(calls)
            for reply in replies:
                if isinstance(reply, Exception):
                    failed = [call for call, other in zip(calls, replies, strict=True) if isinstance(other, Exception)]
                    raise reply
        except REDIS_ERRORS as error:
            failure = translate(error, self._endpoint)
        else:
            if self._availability.down:
                self._availability.worked(
                    self._places(calls),
                    wrote=any(call.wrote(reply) for call, reply in zip(calls, replies, strict=True)),
                )
            return replies
        if isinstance(failure, BackendUnavailable):
            self._start_afresh()
        self._availability.failed(failure, self._places(failed))
        raise failure

    def drive(self, operation: Operation[T]) -> T:
        """Run an operation to its end and return its result."""
        try:
            request = next(operation)
            while True:
                try:
                    answer = self._reply(request)
                except BackendDenied as error:
                    # An operation may know how to do without.
                    request = operation.throw(error)
                else:
                    request = operation.send(answer)
        except StopIteration as stop:
            return cast(T, stop.value)

    def _reply(self, request: Request) -> list[Any]:
        if isinstance(request, Primaries):
            return self.primaries()
        if isinstance(request, Homes):
            return self.homes(request.keys)
        return self.send_many(request)

    def primaries(self) -> list[str]:
        """Return the names of the primaries, for ``Call.node``."""
        return [self._endpoint]

    def homes(self, keys: Sequence[bytes]) -> list[str]:
        """Return the name of the primary of each key."""
        return [self._endpoint] * len(keys)

    def close(self) -> None:
        """Close the connections."""
        self._connections.disconnect()

    def _places(self, calls: Sequence[Call]) -> set[bytes]:
        """Return the parts of the store that calls went to, see ``Availability``."""
        return {b""}

    def _start_afresh(self) -> None:
        """Let the next call connect anew: after a failover the host's name may lead to another server."""
        self._connections.disconnect()

    def _exchange_calls(self, calls: Sequence[Call]) -> list[Any]:
        """Exchange calls for replies, with errors in the place of those that were refused."""
        repeatable = all(call.repeatable for call in calls)
        commands = [call.args for call in calls]
        try:
            replies = self._exchange(commands, fresh=not repeatable)
        except REDIS_ERRORS as error:
            if not repeatable or not is_connection_error(error):
                raise
            # The others are most likely broken too, as after a restart of the server.
            self._start_afresh()
            replies = self._exchange(commands, fresh=True)
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = self._exchange([calls[i].with_source() for i in unknown], fresh=True)
            for i, reply in zip(unknown, again, strict=True):
                replies[i] = reply
        return replies

    def _exchange(self, commands: Sequence[tuple[Any, ...]], *, fresh: bool) -> list[Any]:
        """Send commands and read their replies.

        Args:
            commands: What to send.
            fresh: Make sure first that the server has not closed the connection, because it cannot be sent again.
        """
        connection = self._connections.take()
        try:
            if fresh and connection.is_connected and _is_stale(connection):
                connection.disconnect()
            connection.send_packed_command([pack(commands)], check_health=False)
            replies: list[Any] = []
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
            return replies
        except BaseException:
            # What was not read yet must not answer somebody else's call.
            connection.disconnect()
            raise
        finally:
            self._connections.give_back(connection)


def _is_stale(connection: Any) -> bool:
    """Whether the server has closed the connection, or something unasked waits in it."""
    try:
        return bool(connection.can_read())
    except REDIS_ERRORS:
        return True


class ClusterClient(Client):
    """Talks to a Redis Cluster. Every call names keys of one shard, or a node."""

    def __init__(self, address: Address, availability: Availability, *, timeout: float, max_connections: int) -> None:
        self._endpoint = address.endpoint
        self._availability = availability
        self._address = address
        self._options = {**options(timeout), "max_connections": max_connections}
        self._cluster: RedisCluster | None = None

    def primaries(self) -> list[str]:
        return self._ask(lambda cluster: [node.name for node in cluster.get_primaries()])

    def homes(self, keys: Sequence[bytes]) -> list[str]:
        return self._ask(lambda cluster: [cluster.get_node_from_key(key).name for key in keys])

    def _ask(self, question: Callable[[RedisCluster], list[str]]) -> list[str]:
        failure: DjustError
        try:
            return question(self._connected())
        except REDIS_ERRORS as error:
            failure = translate(error, self._endpoint)
        self._availability.failed(failure, (b"",))
        raise failure

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _places(self, calls: Sequence[Call]) -> set[bytes]:
        return {call.place for call in calls}

    def _start_afresh(self) -> None:
        """Leave it to redis-py, which asks the cluster who is primary now."""

    def _connected(self) -> RedisCluster:
        if self._cluster is None:
            self._cluster = RedisCluster.from_url(self._address.url, **self._options)
        return self._cluster

    def _exchange_calls(self, calls: Sequence[Call]) -> list[Any]:
        if any(call.node for call in calls):
            cluster = self._connected()
            return [
                cluster.execute_command(*call.args, target_nodes=cluster.get_node(node_name=call.node))
                for call in calls
            ]
        return super()._exchange_calls(calls)

    def _exchange(self, commands: Sequence[tuple[Any, ...]], *, fresh: bool) -> list[Any]:
        cluster = self._connected()
        if fresh or len(commands) == 1:
            # A pipeline of redis-py's cluster client sends again what failed, so it is only for what may be repeated.
            return [self._one(cluster, args) for args in commands]
        pipeline = cluster.pipeline()
        for args in commands:
            # Left to find it itself, redis-py asks a server for the keys of each script, one after the other.
            key = args[3] if args[0] == "EVALSHA" else args[1]
            pipeline.execute_command(*args, target_nodes=cluster.get_node_from_key(key))
        return cast(list[Any], pipeline.execute(raise_on_error=False))

    def _one(self, cluster: RedisCluster, args: tuple[Any, ...]) -> Any:
        try:
            return cluster.execute_command(*args)
        except ResponseError as error:
            return error


def build_client(address: Address, availability: Availability, *, timeout: float, max_connections: int) -> Client:
    """Return the client that fits the address. Does not connect."""
    kind = ClusterClient if address.cluster else Client
    return kind(address, availability, timeout=timeout, max_connections=max_connections)
