"""What is known of the server that the Celery broker lives on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import current_app
from redis import Redis
from redis.exceptions import RedisError

from djust.monitoring.reading import BrokerReading
from djust.state_backend.monitor import ServerInfo

SCHEMES = ("redis://", "rediss://", "redis+socket://")

#: Seconds to wait for it. It is asked beside other work.
TIMEOUT_SECONDS = 2.0


def read_broker(store: Sequence[ServerInfo]) -> BrokerReading | None:
    """Ask the broker's server for its policy; ``None`` if it speaks no Redis or cannot be asked.

    Args:
        store: What the servers that keep the sessions said, to see whether it is one of them.
    """
    url = broker_url()
    if url is None:
        return None
    fields = _info(url)
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


def broker_url() -> str | None:
    """Return where the broker is, if it speaks Redis; never log it, it may hold a password."""
    configured: Any = current_app.conf.broker_write_url or current_app.conf.broker_url
    first = configured[0] if isinstance(configured, (list, tuple)) else str(configured or "").split(";")[0]
    if not first.startswith(SCHEMES):
        return None
    return str(first).replace("redis+socket://", "unix://", 1)


def _info(url: str) -> dict[str, Any] | None:
    try:
        client = Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
        try:
            return dict(client.info())
        finally:
            client.close()
    except (RedisError, OSError, ValueError):
        # That it cannot be reached is the worker's trouble, which has its own ways of saying so.
        return None
