"""The threads of handlers: how many work at the same time, and who takes over from those that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from djust.live_view import threads
from djust.live_view.threads import STALL_SECONDS, Threads, in_thread

MOST = 4


class Clock:
    """The time, and what the event loop has used of a processor."""

    def __init__(self) -> None:
        self.now = self.used = 1000.0

    def run(self, pool: Threads, share: float, times: int = 1) -> int:
        """Let a busy or an idle time go by, and return how many may compute then."""
        for _ in range(times):
            self.now += threads.LOOK_SECONDS
            self.used += share * threads.LOOK_SECONDS
            pool._adjust(self.now)
        return pool._limit


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Let ``in_thread`` use some threads of its own."""
    made = Threads(MOST)
    monkeypatch.setattr(threads, "_threads", lambda: made)
    yield made
    made._executor.shutdown()


def keep_limit(pool: Threads, limit: int) -> None:
    """Let that many threads compute, however busy the process is."""
    pool._limit = limit
    pool._looked_at = float("inf")


def test_the_busier_the_process_the_fewer_threads_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(threads, "monotonic", lambda: clock.now)
    monkeypatch.setattr(threads, "thread_time", lambda: clock.used)
    pool = Threads(8)
    # The first look has nothing to compare with.
    assert clock.run(pool, 1.0) == 8
    assert clock.run(pool, 1.0) == 4
    assert clock.run(pool, 1.0, times=5) == 1
    assert clock.run(pool, 0.8, times=5) == 1
    assert clock.run(pool, 0.3) == 2
    assert clock.run(pool, 0.3, times=20) == 8
    # What jobs use counts as well.
    pool._jobs_used += 0.7 * threads.LOOK_SECONDS
    assert clock.run(pool, 0.3) == 4
    # A loop in another thread has another clock.
    monkeypatch.setattr(threads, "get_ident", lambda: -1)
    assert clock.run(pool, 100.0) == 4
    assert clock.run(pool, 1.0) == 2


async def test_one_after_the_other_where_one_may_compute(pool: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "STALL_SECONDS", float("inf"))
    keep_limit(pool, 1)
    order: list[int] = []
    alone = threading.Lock()

    def work(number: int) -> int:
        assert alone.acquire(blocking=False)
        order.append(number)
        alone.release()
        return number

    assert await asyncio.gather(*(in_thread(partial(work, number)) for number in range(200))) == list(range(200))
    assert order == list(range(200))


async def test_who_waits_does_not_hold_up_the_others(pool: Threads) -> None:
    keep_limit(pool, 1)
    is_over = threading.Event()
    waiting = [asyncio.create_task(in_thread(is_over.wait)) for _ in range(MOST - 1)]
    assert await in_thread(lambda: "through") == "through"
    assert not any(task.done() for task in waiting)
    # Nobody is left for one more: it waits its turn.
    waiting.append(asyncio.create_task(in_thread(is_over.wait)))
    last = asyncio.create_task(in_thread(lambda: "last"))
    await asyncio.wait([last], timeout=3 * STALL_SECONDS)
    assert not last.done()
    is_over.set()
    assert await last == "last"
    assert await asyncio.gather(*waiting) == [True] * MOST


async def test_jobs_that_wait_do_so_side_by_side(pool: Threads) -> None:
    together = threading.Barrier(MOST)
    found = await asyncio.gather(*(in_thread(partial(together.wait, 30)) for _ in range(MOST)))
    assert sorted(found) == list(range(MOST))


async def test_what_nobody_waits_for_any_more_is_not_begun(pool: Threads) -> None:
    keep_limit(pool, 1)
    is_over = threading.Event()
    first = asyncio.create_task(in_thread(is_over.wait))
    begun: list[str] = []
    second = asyncio.create_task(in_thread(lambda: begun.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    # Told after the thread is through with it, to nobody.
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    is_over.set()
    await in_thread(lambda: begun.append("third"))
    assert begun == ["third"]


async def test_what_is_raised_is_raised_where_it_is_waited_for(pool: Threads) -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        await in_thread(fail)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_thread(lambda: next(iter(())))
    with pytest.raises(RuntimeError, match="SystemExit"):
        await in_thread(lambda: exit(1))


def test_a_loop_that_ends_with_a_job_at_work_harms_nobody(pool: Threads) -> None:
    is_over = threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(in_thread(is_over.wait))
        await asyncio.wait([task], timeout=0)

    asyncio.run(leave())
    is_over.set()
    assert asyncio.run(in_thread(lambda: "next")) == "next"


async def test_who_gets_no_thread_waits_for_one(pool: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[object] = []

    def refuse(thread: threading.Thread) -> None:
        refused.append(thread)
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        task = asyncio.create_task(in_thread(lambda: "done"))
        async with asyncio.timeout(20):
            while len(refused) < 3:
                await asyncio.sleep(0)
    assert await task == "done"
    assert await in_thread(lambda: "next") == "next"
    assert pool._since == {}
