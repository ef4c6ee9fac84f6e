"""What tells other servers that an event is still at work here, so that they do not begin it again.

A browser whose connection is lost while its event is at work comes back, by another server perhaps, and sends the
event again. That server waits: an event that takes long, or whose connection is lost, has a lease of the store until
it is done. Nobody waits long for a server that was killed, since its leases run out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from djust.exceptions import BackendError
from djust.live_view.threads import in_spare_thread
from djust.log import hashed, logger
from djust.state_backend.registry import get_backend

#: Seconds after which an event has a lease. Before that only one whose connection is known to be lost has one.
LONG_SECONDS = 0.25
LEASE_SECONDS, RENEW_SECONDS = 4.0, 1.0
#: For how long a reconnect waits, and how often it looks.
PATIENCE_SECONDS, LOOK_SECONDS = 30.0, 0.1

_tasks: set[asyncio.Task[None]] = set()


class AtWork:
    """The event that is at work for one socket."""

    __slots__ = ("_done", "_name", "_task", "_timer")

    def __init__(self) -> None:
        self._name = ""
        self._done: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def on(self, key: str, client: str) -> Iterator[None]:
        """Be at work on an event of a client while this lasts."""
        self._name = _name(key, client)
        self._timer = asyncio.get_running_loop().call_later(LONG_SECONDS, self.tell)
        try:
            yield
        finally:
            self._timer.cancel()
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
        """Wait until the lease is given back: the loop may be about to end."""
        if self._task is not None:
            await asyncio.wait({self._task})


async def others(key: str, client: str) -> None:
    """Wait until no server is at work on an event of a client.

    Raises:
        BackendError: The store cannot say.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE_SECONDS
    name = _name(key, client)
    while clock() < deadline:
        if await get_backend().alease_holder(name) is None:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _hold(name: str, done: asyncio.Event) -> None:
    """Hold a lease until the work is done."""
    backend = get_backend()
    token = os.urandom(8).hex()
    try:
        while not done.is_set():
            await in_spare_thread(partial(backend.acquire_lease, name, token, LEASE_SECONDS))
            with suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), RENEW_SECONDS)
        await in_spare_thread(partial(backend.release_lease, name, token))
    except BackendError as error:
        # The store is away: what is at work waits for it, and so do other servers.
        logger.debug("live_lease_lost", lease=hashed(name), error=str(error))


def _name(key: str, client: str) -> str:
    return f"page:{key}:{client}"
