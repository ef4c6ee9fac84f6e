"""Reading from a database that may hang, without hanging with it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")

#: A read that took longer is given up: another one may get through where this one is stuck.
GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pending(Generic[T]):
    """An answer that somebody waits for."""

    _future: Future[T]
    #: By the monotonic clock.
    _until: float

    def get(self) -> T | None:
        """Return the answer, or ``None`` if there is none in time. Raises what the function raises."""
        wait([self._future], timeout=self._remaining())
        return self._future.result() if self._future.done() else None

    async def aget(self) -> T | None:
        """See ``get``. The event loop goes on meanwhile."""
        await asyncio.wait([asyncio.wrap_future(self._future)], timeout=self._remaining())
        return self._future.result() if self._future.done() else None

    def _remaining(self) -> float:
        return max(0.0, self._until - time.monotonic())


class BoundedReader(Generic[T]):
    """Calls a function in a thread of its own, for which nobody waits longer than ``patience_seconds``.

    Whoever asks while a read is under way shares its answer, so a database that hangs holds one thread and one
    connection of this process, however often it is asked for. No driver offers a limit that holds for connecting,
    for asking and for a host that has vanished; giving up the waiting does.

    Args:
        read: What to call. It may use any database; the connections of its thread are closed afterwards.
        patience_seconds: How long a caller waits, from the beginning of the read.
    """

    def __init__(self, read: Callable[[], T], *, patience_seconds: float = 2.0) -> None:
        self._read = read
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._current: Future[T] | None = None
        self._started = 0.0

    def start(self) -> Pending[T]:
        """Begin to read, or join the read that is under way."""
        with self._lock:
            now = time.monotonic()
            if self._current is None or self._current.done() or now - self._started > GIVE_UP_SECONDS:
                self._current, self._started = Future(), now
                # A daemon, since a process that ends must not wait for the database either.
                threading.Thread(target=self._work, args=(self._current,), name="djust-reader", daemon=True).start()
            return Pending(self._current, self._started + self._patience)

    def _work(self, future: Future[T]) -> None:
        try:
            try:
                answer = self._read()
            finally:
                connections.close_all()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is awaited
            future.set_exception(error)
        else:
            future.set_result(answer)
