"""Reading from a database that may hang."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from djust.monitoring.status.bounded import MOST_READS, BoundedReader
from tests.servers.waiting import wait_until


class Hanging:
    """A read that hangs as long as it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.under_way = 0
        self.hangs = True
        self._go = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            self.begun += 1
            self.under_way += 1
            number, hangs = self.begun, self.hangs
        if hangs:
            self._go.wait()
        with self._lock:
            self.under_way -= 1
        return number

    def release(self) -> None:
        self._go.set()


@pytest.fixture
def read() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.release()
    wait_until(lambda: not hanging.under_way)


def test_whoever_asks_meanwhile_shares_the_answer(read: Hanging) -> None:
    reader = BoundedReader(read, patience_seconds=30)
    pending = [reader.start() for _ in range(10)]
    read.release()
    assert [one.get() for one in pending] == [1] * 10
    assert asyncio.run(reader.start().aget()) == 2


def test_a_database_that_hangs_holds_two_threads_however_often_it_is_asked_for(read: Hanging) -> None:
    reader = BoundedReader(read, patience_seconds=0.01, give_up_seconds=0)
    assert [reader.start().get() for _ in range(20)] == [None] * 20
    wait_until(lambda: read.under_way == MOST_READS)
    assert read.begun == MOST_READS == 2
    read.release()
    assert wait_until(lambda: reader.start().get()) > MOST_READS


def test_one_read_that_is_stuck_for_ever_does_not_keep_the_others_from_asking(read: Hanging) -> None:
    reader = BoundedReader(read, patience_seconds=0.01, give_up_seconds=0.02)
    assert reader.start().get() is None
    read.hangs = False
    first = wait_until(lambda: reader.start().get())
    assert wait_until(lambda: reader.start().get()) > first > 1
    wait_until(lambda: read.under_way == 1)


def test_what_the_read_raises_is_raised_where_it_is_awaited() -> None:
    def fail() -> None:
        raise LookupError("no such table")

    with pytest.raises(LookupError, match="no such table"):
        BoundedReader(fail, patience_seconds=30).start().get()
