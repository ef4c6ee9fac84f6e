"""Connections of the synchronous client, kept open and lent to one caller at a time.

redis-py's own pools ask the socket and count for telemetry at each loan, which costs about as much as a read of a
session. ``docs/decisions/connections.md`` has the figures.
"""

from __future__ import annotations

import os
from collections import deque
from threading import Condition
from typing import Any

from redis.connection import ConnectionPool
from redis.exceptions import MaxConnectionsError


class Connections:
    """Connections to one server. Threads may share it; a forked process starts with none."""

    def __init__(self, url: str, *, max_connections: int, timeout: float, options: dict[str, Any]) -> None:
        # redis-py knows how to read a URL into connections; they are lent out here.
        self._maker = ConnectionPool.from_url(url, **options)
        self._most = max_connections
        self._timeout = timeout
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._free: deque[Any] = deque()
        self._condition = Condition()
        self._made = 0
        self._waiting = 0

    def take(self) -> Any:
        """Lend a connection.

        Raises:
            MaxConnectionsError: All are lent, and none came back within the timeout.
        """
        if self._pid != os.getpid():
            self._reset()
        return self._pop() or self._make_or_wait()

    def _make_or_wait(self) -> Any:
        with self._condition:
            if self._made < self._most:
                self._made += 1
                return self._maker.make_connection()
            # Announced before the first look, so that whoever gives one back after it knows to wake us.
            self._waiting += 1
            try:
                connection = self._condition.wait_for(self._pop, self._timeout)
            finally:
                self._waiting -= 1
        if connection is None:
            raise MaxConnectionsError
        return connection

    def _pop(self) -> Any | None:
        try:
            return self._free.pop()
        except IndexError:
            return None

    def give_back(self, connection: Any) -> None:
        """Take a connection back, in whatever state it is: a closed one connects again when it is used."""
        self._free.append(connection)
        if self._waiting:
            with self._condition:
                self._condition.notify()

    def disconnect(self) -> None:
        """Close those that are not lent. They connect again, to wherever the name leads then, when they are used."""
        for _ in range(len(self._free)):
            # Taken out meanwhile, so that nobody uses it while it is closed.
            connection = self._pop()
            if connection is None:
                return
            connection.disconnect()
            self._free.appendleft(connection)
