"""The threads in which synchronous handlers run and templates are rendered: both may ask the database."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cache, partial
from threading import Lock, get_ident
from time import monotonic, thread_time
from typing import Any, TypeVar
from weakref import WeakSet

from django.db import connections

from djust.conf import get_config

T = TypeVar("T")
Job = Callable[[], None]

#: Seconds after which a thread that is still at the same job counts as one that waits: another one takes its place.
STALL_SECONDS = 0.02
#: Seconds between two looks at how busy they are, and the shares of one processor at which fewer threads get jobs, and
#: more.
LOOK_SECONDS, BUSY, IDLE = 0.02, 0.85, 0.7


async def in_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread and return its result. Database connections live as long as Django lets them."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    _threads().submit(loop, partial(_work, loop, future, partial(copy_context().run, _call, function)))
    return await future


async def in_spare_thread(function: Callable[[], T]) -> T:
    """Call ``function`` in a thread that handlers do not run in, and return its result."""
    return await asyncio.get_running_loop().run_in_executor(None, _call, function)


class Threads:
    """Threads that get no more to do at the same time than the interpreter can.

    Jobs that wait, for a database perhaps, gain from threads. Jobs that compute fight over the interpreter, and each
    takes several times as long: the more they and the event loop compute, the fewer threads get jobs, down to one.
    """

    def __init__(self, most: int) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix="djust-live")
        self._most = most
        #: How many may compute at the same time.
        self._limit = most
        self._lock = Lock()
        self._jobs: deque[Job] = deque()
        #: By thread that is at work, since when it has its job.
        self._since: dict[object, float] = {}
        #: Seconds of a processor that jobs have used so far.
        self._jobs_used = 0.0
        #: Those that look in a moment whether jobs wait for threads that wait.
        self._watching: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        #: When, in which thread, and at how many used seconds of it and the jobs was last looked.
        self._looked_at, self._thread, self._used = monotonic(), 0, 0.0

    def submit(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        """Let a thread do a job: it must not raise. To be called in ``loop``."""
        now = monotonic()
        with self._lock:
            if now >= self._looked_at + LOOK_SECONDS:
                self._adjust(now)
            self._jobs.append(job)
            if not self._start(now) and loop not in self._watching:
                self._watch(loop)

    def _adjust(self, now: float) -> None:
        """Look how busy the event loop and the jobs are. What else the process does is none of their business."""
        thread, used = get_ident(), thread_time() + self._jobs_used
        share = (used - self._used) / (now - self._looked_at)
        is_known = thread == self._thread
        self._looked_at, self._thread, self._used = now, thread, used
        if not is_known:
            # A loop in another thread, whose clock is another one.
            return
        if share > BUSY:
            self._limit = max(1, self._limit // 2)
        elif share < IDLE:
            self._limit = min(self._most, self._limit + 1)

    def _start(self, now: float) -> bool:
        """Let one more thread work, if it may: it takes one job at least."""
        if len(self._since) == self._most or self._computing(now) >= self._limit:
            return False
        me = object()
        try:
            self._executor.submit(self._do_jobs, me)
        except RuntimeError:
            # The system gives no thread at the moment. Those at work take the job, or it is tried again in a moment.
            return False
        self._since[me] = now
        return True

    def _computing(self, now: float) -> int:
        return sum(now - since < STALL_SECONDS for since in self._since.values())

    def _do_jobs(self, me: object) -> None:
        used = thread_time()
        job = self._next(me, self._most, 0.0)
        while job is not None:
            job()
            before, used = used, thread_time()
            job = self._next(me, self._limit, used - before)

    def _next(self, me: object, limit: int, used: float) -> Job | None:
        """Return what a thread does next; ``None``: others are at work, as many as may compute, or nothing is left."""
        now = monotonic()
        with self._lock:
            self._jobs_used += used
            if self._since.pop(me, None) is None or not self._jobs or self._computing(now) >= limit:
                return None
            self._since[me] = now
            return self._jobs.popleft()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching.add(loop)
        loop.call_later(STALL_SECONDS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._watching.discard(loop)
            if self._jobs:
                self._watch(loop)
                self._start(monotonic())


@cache
def _threads() -> Threads:
    return Threads(get_config().live_threads)


def _work(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], call: Callable[[], Any]) -> None:
    """Make a call, and tell the future, unless nobody waits for it any more."""
    if future.cancelled():
        return
    try:
        tell = partial(_succeed, future, call())
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        tell = partial(_fail, future, error)
    with suppress(RuntimeError):  # The loop is closed, and with it whoever waited.
        loop.call_soon_threadsafe(tell)


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.cancelled():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.cancelled():
        future.set_exception(error)


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
