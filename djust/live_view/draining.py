"""The time between the signal that ends a server and the end of its sockets."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from djust.conf import get_config
from djust.log import logger

_draining = False
_installed = False


def is_draining() -> bool:
    """Whether this process was told to end: a balancer should send it nobody new."""
    return _draining


def watch() -> None:
    """Notice SIGTERM, and let the server that runs here have it ``DRAIN_SECONDS`` later.

    To be called where an event loop runs: the server has set up its own handling by then.
    """
    global _installed
    if _installed or threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before):
        # Nobody handles it: the process ends at once, as it would without us.
        return
    signal.signal(signal.SIGTERM, _handler(before, asyncio.get_running_loop()))
    _installed = True


def _handler(before: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[[int, FrameType | None], None]:
    def drain(number: int, frame: FrameType | None) -> None:
        global _draining
        seconds = get_config().drain_seconds
        again, _draining = _draining, True
        if again or seconds <= 0 or loop.is_closed():
            before(number, frame)
            return
        logger.info("server_draining", seconds=seconds)
        loop.call_soon_threadsafe(loop.call_later, seconds, before, number, frame)

    return drain
