"""The threads in which synchronous handlers run and templates are rendered: both may ask the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Lock
from time import monotonic
from typing import TypeVar

from django.db import connections

from djust.conf import get_config

T = TypeVar("T")

#: Seconds that a turn takes at most. Whoever has it for longer waits for something slow, as a database may be.
_TURN_SECONDS = 0.05
_turn = Lock()
_turn_ends_at = 0.0

_executor: ThreadPoolExecutor | None = None


async def in_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread and return its result. Database connections live as long as Django lets them."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), copy_context().run, _call, function)


async def in_spare_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread that no handler can keep busy, and return its result."""
    return await asyncio.get_running_loop().run_in_executor(None, _call, function)


@contextmanager
def in_turn() -> Iterator[None]:
    """Let one thread at a time do what keeps the interpreter busy, unless it takes so long that it must be waiting.

    Rendering is such work: threads that do it at the same time fight over the interpreter and over Django's settings
    of language and time zone, and each event then takes several times as long.
    """
    global _turn_ends_at
    mine = _turn.acquire(timeout=max(0.0, min(_turn_ends_at - monotonic(), _TURN_SECONDS)))
    if mine:
        _turn_ends_at = monotonic() + _TURN_SECONDS
    try:
        yield
    finally:
        if mine:
            _turn.release()


def _threads() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(get_config().live_threads, thread_name_prefix="djust-live")
    return _executor


def _call(function: Callable[[], T]) -> T:
    try:
        return function()
    except StopIteration as error:
        # No future takes that, and whoever waits would wait for ever.
        raise RuntimeError("A handler or a template raised StopIteration: give next() a default.") from error
    except (asyncio.CancelledError, SystemExit) as error:
        # These would end the task that waits, or the whole server.
        raise RuntimeError(f"A handler or a template raised {type(error).__name__}.") from error
    finally:
        _close_old_connections()


def _close_old_connections() -> None:
    # Only those that this thread has opened: most events ask no database.
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
