"""A connection to one Redis server that asks, and says in words of ours why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import ConnectionPool, Redis
from redis.cluster import RedisCluster
from redis.exceptions import AuthenticationError, MovedError, ResponseError

from djust.exceptions import BackendDenied, BackendUnavailable, DjustError
from djust.state_backend.redis.address import Address
from djust.state_backend.redis.client import options
from djust.state_backend.redis.errors import REDIS_ERRORS, translate
from djust.state_backend.redis.replies import info_fields

#: What names somebody to the server.
_CREDENTIALS = ("username", "password", "credential_provider")


class Probe:
    """Asks one server.

    Args:
        client: Whatever sends a command to it.
        endpoint: Host and port, or the path of a socket, for people.
    """

    def __init__(self, client: Redis, endpoint: str) -> None:
        self._client = client
        self._info: Mapping[str, Any] | None = None
        self._failure: BackendUnavailable | None = None
        #: Host and port, or the path of a socket.
        self.endpoint = endpoint

    def ask(self, *command: str) -> Any:
        """Send a command and return its reply.

        Raises:
            BackendDenied: This user may not, or the command was renamed or forbidden.
            BackendUnavailable: There was no answer. Whoever asks after that is told at once.
            BackendError: It could not be answered.
        """
        if self._failure is not None:
            raise self._failure
        failure: DjustError
        try:
            return self._client.execute_command(*command)
        except REDIS_ERRORS as error:
            failure = translate(error, self.endpoint)
        if isinstance(failure, BackendUnavailable):
            self._failure = failure
        if isinstance(failure, BackendDenied):
            failure = BackendDenied(f"The server refuses {command[0]}: not allowed to this user, or renamed.")
        raise failure

    def info(self) -> Mapping[str, Any]:
        """Return the fields of INFO, asked once."""
        if self._info is None:
            self._info = info_fields(self.ask("INFO"))
        return self._info

    def setting(self, name: str) -> str | None:
        """Return a line of the server's configuration; ``None``: it knows no such line."""
        reply = self.ask("CONFIG", "GET", name)
        values = list(reply.values()) if isinstance(reply, dict) else list(reply)[1::2]
        return None if not values else _text(values[0])

    def lets_anybody_read(self, key: str) -> bool:
        """Try to read a key on a new connection without user and password; return whether the server lets it.

        Raises:
            BackendUnavailable: There was no answer.
        """
        pool = self._client.connection_pool
        kwargs = {name: value for name, value in pool.connection_kwargs.items() if name not in _CREDENTIALS}
        stranger = Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **kwargs))
        failure: DjustError
        try:
            stranger.execute_command("GET", key)
        except MovedError:
            return True  # Another node of the cluster has it, and this one does not mind who asks.
        except (AuthenticationError, ResponseError):
            return False
        except REDIS_ERRORS as error:
            failure = translate(error, self.endpoint)
        else:
            return True
        finally:
            stranger.close()
        raise failure

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def open_probes(address: Address, *, timeout: float) -> list[Probe]:
    """Return a probe for each server behind an address: one, or every primary of a cluster.

    Args:
        address: Where.
        timeout: Seconds to wait for a connection, and for an answer.

    Raises:
        BackendUnavailable: The cluster cannot be asked for its primaries.
    """
    if not address.cluster:
        return [Probe(Redis.from_url(address.url, **options(timeout)), address.endpoint)]
    failure: DjustError
    try:
        cluster = RedisCluster.from_url(address.url, **options(timeout))
        return [Probe(cluster.get_redis_connection(node), str(node.name)) for node in cluster.get_primaries()]
    except REDIS_ERRORS as error:
        failure = translate(error, address.endpoint)
    raise failure
