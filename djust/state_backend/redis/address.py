"""Where Redis is: a URL, taken apart without ever quoting it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured
from redis.connection import ConnectionPool

_CLUSTER = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
_SCHEMES = ("redis", "rediss", "unix", *_CLUSTER)
#: What the clients decide by themselves.
_OURS = ("decode_responses", "protocol")


@dataclass(frozen=True, slots=True)
class Address:
    """A checked ``REDIS_URL``."""

    #: The URL as redis-py takes it. Holds the password: never log it.
    url: str
    #: ``host:port`` or the path of a socket, for messages.
    endpoint: str
    cluster: bool
    #: ``None``: a socket.
    host: str | None = None
    port: int | None = None
    database: int = 0

    def __repr__(self) -> str:
        return f"Address({self.endpoint!r}, cluster={self.cluster})"


def parse_address(url: str) -> Address:
    """Check a Redis URL.

    Raises:
        ImproperlyConfigured: It cannot be used. The message says why without quoting it, since it holds a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ImproperlyConfigured(f"REDIS_URL must start with one of {', '.join(s + '://' for s in _SCHEMES)}.")
    try:
        parts = urlsplit(f"{_CLUSTER.get(scheme, scheme)}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts = None
    # Behind the host, an @ is most likely the rest of a password that began to look like something else.
    if parts is None or "#" in rest or "@" in parts.query or (scheme != "unix" and "@" in parts.path):
        raise ImproperlyConfigured(
            "REDIS_URL cannot be taken apart. Percent-encode what is special in its user and password, "
            "for example with urllib.parse.quote(password, safe='')."
        )
    number = _check_options(url if scheme == "unix" else parts.geturl(), parts.query)
    if scheme == "unix":
        if not parts.path:
            raise ImproperlyConfigured("REDIS_URL must name the socket's path: unix:///run/redis/redis.sock?db=0.")
        return Address(url, parts.path, cluster=False, database=number)
    database = parts.path.strip("/")
    if database and not database.isdigit():
        raise ImproperlyConfigured("The path of REDIS_URL must be the number of a database, as in /0.")
    if scheme in _CLUSTER and database not in ("", "0"):
        raise ImproperlyConfigured("Redis Cluster has database 0 only: drop the number from REDIS_URL.")
    host, port = host or "localhost", port or 6379
    return Address(parts.geturl(), f"{host}:{port}", cluster=scheme in _CLUSTER, host=host, port=port, database=number)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, as far as its name says so."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check_options(url: str, query: str) -> int:
    """Let redis-py read the options behind the question mark without connecting; return the database's number."""
    ours = sorted(set(_OURS) & parse_qs(query, keep_blank_values=True).keys())
    if ours:
        raise ImproperlyConfigured(f"Take {', '.join(ours)} out of REDIS_URL: djust decides that itself.")
    try:
        pool = ConnectionPool.from_url(url)
        pool.make_connection()
    except (TypeError, ValueError, AttributeError):
        pool = None
    if pool is None:
        raise ImproperlyConfigured(
            "An option behind the ? of REDIS_URL is unknown to redis-py, does not fit its scheme, or has a value that "
            "cannot be used."
        )
    return int(pool.connection_kwargs.get("db") or 0)
