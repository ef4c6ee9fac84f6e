"""Notices within one process: from any thread or event loop to every listener, in whatever event loop."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator
from threading import Lock
from weakref import WeakSet

from djust.state_backend.records import RESUBSCRIBED, Notice

#: What may wait for one listener, in bytes. Beyond it everything that waits is dropped, and the listener is told so.
#: Redis has the same limit for its subscribers.
MAX_WAITING_BYTES = 32 * 1024 * 1024

#: What a notice takes besides its message, in bytes: roughly.
_OVERHEAD = 200

#: Something may have been missed: the listener has to look for itself.
LOOK = Notice(RESUBSCRIBED, b"")


class Hub:
    """Hands notices to the listeners of one backend. After a fork the child has none: they are its parent's."""

    def __init__(self) -> None:
        self.start_empty()
        _hubs.add(self)

    def start_empty(self) -> None:
        """Be as if just built."""
        self._lock = Lock()
        self._listeners: set[_Listener] = set()

    def publish(self, notice: Notice) -> None:
        """Hand a notice to every listener. Never waits for one."""
        if not self._listeners:
            return
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            if not listener.deliver(notice):
                self._drop(listener)

    async def listen(self) -> AsyncGenerator[Notice, None]:
        """Yield ``resubscribed`` at once, then every notice that is published from then on."""
        listener = _Listener(asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield LOOK
            while True:
                yield await listener.next()
        finally:
            self._drop(listener)

    def _drop(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.discard(listener)


class _Listener:
    """What waits for one listener."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = Lock()
        self._waiting: deque[Notice] = deque()
        self._bytes = 0
        self._arrived = asyncio.Event()

    def deliver(self, notice: Notice) -> bool:
        """Put a notice there, from any thread; return whether the listener's event loop still runs."""
        with self._lock:
            self._bytes += len(notice.message) + _OVERHEAD
            if self._bytes > MAX_WAITING_BYTES:
                self._waiting.clear()
                self._bytes = _OVERHEAD
                notice = LOOK
            self._waiting.append(notice)
            first = len(self._waiting) == 1
        if not first:
            return True
        try:
            self._loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:  # It was closed without an end to its generators.
            return False
        return True

    async def next(self) -> Notice:
        """Return the one that has waited longest, or wait."""
        while True:
            with self._lock:
                if self._waiting:
                    notice = self._waiting.popleft()
                    self._bytes -= len(notice.message) + _OVERHEAD
                    return notice
                self._arrived.clear()
            await self._arrived.wait()


_hubs: WeakSet[Hub] = WeakSet()


def _begin_in_child() -> None:
    for hub in list(_hubs):
        hub.start_empty()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
