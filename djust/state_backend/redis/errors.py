"""Turns what redis-py raises into the errors of djust.

redis-py's own errors quote commands, keys and URLs. They end here: the new error carries host and port and words of
ours, and is raised after the old one was dropped, so that no chained traceback shows it.
"""

from __future__ import annotations

from redis import exceptions as redis_errors

from djust.exceptions import (
    BackendDenied,
    BackendError,
    BackendFull,
    BackendUnavailable,
    DjustError,
    SessionUnreadable,
)


class WritesRefused(BackendUnavailable):
    """The server answers reads and refuses writes."""


#: What may be raised while talking to Redis.
REDIS_ERRORS = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError)

_BY_CODE = {
    "READONLY": "is a read-only replica, as after a failover",
    "LOADING": "is still loading its data",
    "MISCONF": "refuses writes because it cannot save to disk",
    "BUSY": "is busy with somebody's script",
    "NOREPLICAS": "refuses writes because too few replicas are connected",
    "MASTERDOWN": "has lost its primary",
    "CLUSTERDOWN": "is a cluster that is down",
    "TRYAGAIN": "is a cluster that is moving this slot",
    "NOAUTH": "asks for a password; REDIS_URL has none",
    "WRONGPASS": "refused the user or the password of REDIS_URL",
}

#: How servers say that a user may not, or that a command is not there; the second from inside of a script.
_DENIED = ("NOPERM", "can't run this command", "unknown command", "Unknown command", "Unknown Redis command")

#: Of these, reads know nothing.
_FOR_WRITES = ("READONLY", "MISCONF", "NOREPLICAS")

_NO_CONNECTION = "has no connection free: raise REDIS_MAX_CONNECTIONS"

#: Said by redis-py in words only.
_BY_TEXT = {
    "No connection available": _NO_CONNECTION,
    "Authentication required": _BY_CODE["NOAUTH"],
    "Cluster mode is not enabled": "is no cluster: let REDIS_URL begin with redis://",
    "cluster support disabled": "is no cluster: let REDIS_URL begin with redis://",
}

_UNREACHABLE = "cannot be reached. Check that it runs, and REDIS_URL"

#: In this order: the first that fits is taken.
_BY_TYPE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (redis_errors.MasterDownError, _BY_CODE["MASTERDOWN"]),
    (redis_errors.ClusterDownError, _BY_CODE["CLUSTERDOWN"]),
    (redis_errors.TryAgainError, _BY_CODE["TRYAGAIN"]),
    (redis_errors.AuthenticationError, _BY_CODE["WRONGPASS"]),
    (redis_errors.BusyLoadingError, _BY_CODE["LOADING"]),
    (redis_errors.MaxConnectionsError, _NO_CONNECTION),
    ((redis_errors.TimeoutError, TimeoutError), "did not answer in time"),
    ((redis_errors.ConnectionError, redis_errors.ClusterError, OSError), _UNREACHABLE),
    (redis_errors.RedisClusterException, _UNREACHABLE),
)


def is_connection_error(error: Exception) -> bool:
    """Whether the connection broke, so that nobody knows if the command was carried out; timeouts are not meant."""
    return isinstance(error, (redis_errors.ConnectionError, OSError)) and not isinstance(
        error,
        (
            redis_errors.AuthenticationError,
            redis_errors.BusyLoadingError,
            redis_errors.MaxConnectionsError,
            redis_errors.TimeoutError,
            TimeoutError,
        ),
    )


def translate(error: Exception, endpoint: str) -> DjustError:
    """Return the error of djust that says the same without quoting anything.

    Args:
        error: What redis-py, or the socket, raised.
        endpoint: Host and port, or the path of a socket; never a URL.
    """
    text = str(error)
    # redis-py takes the code off the errors that it has a class for; Redis 6 wraps those of a script in a text.
    if isinstance(error, redis_errors.OutOfMemoryError) or "OOM command not allowed" in text:
        return BackendFull(f"Redis at {endpoint} is full: raise its maxmemory or shorten SESSION_TTL.")
    unavailable = _unavailable(error, text)
    if unavailable is not None:
        kind, words = unavailable
        return kind(f"Redis at {endpoint} {words}.")
    if isinstance(error, redis_errors.NoPermissionError) or any(words in text for words in _DENIED):
        return BackendDenied(f"Redis at {endpoint} refused a command. Give its user what docs/redis.md lists.")
    if isinstance(error, redis_errors.AskError):
        return BackendError(f"Redis at {endpoint} is a node of a cluster: let REDIS_URL begin with redis+cluster://.")
    if "WRONGTYPE" in text:
        return SessionUnreadable("A key that djust needs holds something that djust did not write. Delete that key.")
    return BackendError(f"Redis at {endpoint} answered with an error of type {text.split(' ', 1)[0][:20]!r}.")


def _unavailable(error: Exception, text: str) -> tuple[type[BackendUnavailable], str] | None:
    """Return what kind of trouble it is, and in which words, if the server cannot be used now."""
    for code, words in _BY_CODE.items():
        if text.startswith(code) or f"-{code} " in text:
            return WritesRefused if code in _FOR_WRITES else BackendUnavailable, words
    if isinstance(error, redis_errors.ReadOnlyError):
        return WritesRefused, _BY_CODE["READONLY"]
    for part, words in _BY_TEXT.items():
        if part in text:
            return BackendUnavailable, words
    for kinds, words in _BY_TYPE:
        if isinstance(error, kinds):
            return BackendUnavailable, words
    return None
