"""The threads in which synchronous handlers run and templates are rendered: both may ask the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore
from typing import TypeVar

from django.db import connections

from djust.conf import get_config

T = TypeVar("T")

#: Templates are rendered by two threads at a time. Rendering keeps the interpreter busy, and threads that fight over
#: it cost several times what they do; two, so that a template that waits for a database does not stop the others.
rendering = BoundedSemaphore(2)

_executor: ThreadPoolExecutor | None = None


async def in_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread and return its result. Database connections live as long as Django lets them."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), copy_context().run, _call, function)


def _threads() -> ThreadPoolExecutor:
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(get_config().live_threads, thread_name_prefix="djust-live")
    return _executor


def _call(function: Callable[[], T]) -> T:
    _close_old_connections()
    try:
        return function()
    finally:
        _close_old_connections()


def _close_old_connections() -> None:
    # Only those that this thread has opened: most events ask no database.
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
