"""What is known of the server that the Celery broker lives on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery import current_app
from kombu import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from djust.monitoring.reading import BrokerReading
from djust.state_backend.monitor import ServerInfo

#: Seconds to wait for it. It is asked beside other work.
TIMEOUT_SECONDS = 2.0
_IMPATIENT = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}


def read_broker(store: Sequence[ServerInfo]) -> BrokerReading | None:
    """Ask the broker's server for its policy; ``None`` if it speaks no Redis or cannot be asked.

    Args:
        store: What the servers that keep the sessions said, to see whether it is one of them.
    """
    fields = _info()
    if fields is None:
        return None
    run_id = fields.get("run_id")
    shared = [info.node for info in store if run_id and info.fields.get("run_id") == run_id]
    limit = fields.get("maxmemory")
    return BrokerReading(
        node=shared[0] if shared else f"port {fields.get('tcp_port', 'unknown')}",
        policy=fields.get("maxmemory_policy"),
        limit_bytes=None if limit is None else int(limit),
        shared_with_store=bool(shared),
    )


def _info() -> Mapping[str, Any] | None:
    """Ask over a connection as Celery makes it: its URLs, options and certificates mean more than Redis' own do."""
    try:
        with current_app.connection_for_write(connect_timeout=TIMEOUT_SECONDS) as connection:
            connection.transport_options = {**(connection.transport_options or {}), **_IMPATIENT}
            return _ask(connection)
    except (KombuError, RedisError, ImportError, KeyError, OSError, ValueError):
        # That it cannot be reached is the worker's trouble, which has its own ways of saying so.
        return None


def _ask(connection: Connection) -> Mapping[str, Any] | None:
    if connection.transport.driver_type != "redis":
        return None
    # Each host of a URL that names several, once.
    connection.ensure_connection(max_retries=max(0, len(connection.alt) - 1), interval_start=0, interval_step=0)
    channel: Any = connection.default_channel
    return dict(channel.client.info())
