"""What tells other servers that an event is still at work here, so that they do not begin it again.

A browser whose connection is lost while its event is at work comes back, by another server perhaps, and sends the
event again. That server waits: an event that takes long, or whose connection is lost, has a lease of the store until
it is done. Nobody waits long for a server that was killed, since its leases run out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from djust.exceptions import BackendError
from djust.log import hashed, logger
from djust.state_backend.registry import get_backend

#: Seconds after which an event has a lease. Before that only one whose connection is known to be lost has one.
LONG_SECONDS = 0.25
LEASE_SECONDS, RENEW_SECONDS = 4.0, 1.0
#: Seconds until a lease is asked for again that could not be had.
_AGAIN_SECONDS = 0.2
#: For how long a reconnect waits, and the pauses between its looks.
PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.01, 0.2
#: For how long a lease may take to be given back.
_FAREWELL_SECONDS = 2.0

_tasks: set[asyncio.Task[None]] = set()


class AtWork:
    """The event that is at work for one socket."""

    __slots__ = ("_done", "_name", "_task")

    def __init__(self) -> None:
        self._name = ""
        #: Set when the event is done; ``None``: nobody was told of it.
        self._done: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def on(self, key: str, client: str) -> Iterator[None]:
        """Be at work on an event of a client while this lasts."""
        self._name = _name(key, client)
        timer = asyncio.get_running_loop().call_later(LONG_SECONDS, self.tell)
        try:
            yield
        finally:
            timer.cancel()
            self._name = ""
            if self._done is not None:
                self._done.set()
                self._done = None

    def tell(self) -> None:
        """Tell other servers, if there is anything at work."""
        if self._name and self._done is None:
            self._done = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(_hold(self._name, self._done))
            _tasks.add(self._task)
            self._task.add_done_callback(_tasks.discard)

    async def ended(self) -> None:
        """Wait until the lease of what is done is given back: the loop may be about to end."""
        if self._task is not None and self._done is None:
            await asyncio.wait({self._task}, timeout=_FAREWELL_SECONDS)


async def others(key: str, client: str, is_over: Callable[[], bool]) -> None:
    """Wait until no server is at work on an event of a client, or nobody wants to know any more.

    Raises:
        BackendError: The store cannot say.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE_SECONDS
    pause = _FIRST_PAUSE_SECONDS
    name = _name(key, client)
    while not is_over() and clock() < deadline:
        if await get_backend().alease_holder(name) is None:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _hold(name: str, done: asyncio.Event) -> None:
    """Hold a lease until the work is done. While the store is away it is asked for again and again."""
    backend = get_backend()
    token = os.urandom(8).hex()
    while not done.is_set():
        try:
            is_held = await backend.aacquire_lease(name, token, LEASE_SECONDS)
        except BackendError as error:
            logger.debug("live_lease_refused", lease=hashed(name), error=str(error))
            is_held = False
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), RENEW_SECONDS if is_held else _AGAIN_SECONDS)
    try:
        await backend.arelease_lease(name, token)
    except BackendError as error:
        # It runs out by itself.
        logger.debug("live_lease_refused", lease=hashed(name), error=str(error))


def _name(key: str, client: str) -> str:
    return f"page:{key}:{client}"
