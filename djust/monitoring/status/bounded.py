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
#: Reads that may be stuck at once: two, so that one whose server has vanished does not keep the others from asking.
MOST_READS = 2


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
    connection of this process, however often it is asked for, and a second one if the first is stuck for a minute.
    No driver offers a limit that holds for connecting, for asking and for a host that has vanished; giving up the
    waiting does.

    Args:
        read: What to call. It may use any database; the connections of its thread are closed afterwards.
        patience_seconds: How long a caller waits, from the beginning of the read.
        give_up_seconds: After how long a read is taken to be stuck.
    """

    def __init__(
        self, read: Callable[[], T], *, patience_seconds: float = 2.0, give_up_seconds: float = GIVE_UP_SECONDS
    ) -> None:
        self._read = read
        self._patience = patience_seconds
        self._give_up = give_up_seconds
        self._lock = threading.Lock()
        #: Those that are under way, with the time when each began; the last begun is the last.
        self._reads: list[tuple[float, Future[T]]] = []

    def start(self) -> Pending[T]:
        """Begin to read, or join the read that is under way."""
        with self._lock:
            now = time.monotonic()
            self._reads = [read for read in self._reads if not read[1].done()]
            stuck = all(now - started > self._give_up for started, _ in self._reads)
            if stuck and len(self._reads) < MOST_READS:
                self._begin(now)
            started, future = self._reads[-1]
            return Pending(future, started + self._patience)

    def _begin(self, now: float) -> None:
        future: Future[T] = Future()
        self._reads.append((now, future))
        # A daemon, since a process that ends must not wait for the database either.
        threading.Thread(target=self._work, args=(future,), name="djust-reader", daemon=True).start()

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
