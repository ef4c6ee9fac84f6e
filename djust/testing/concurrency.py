"""Many writers and many sweepers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import TypeVar

from djust.exceptions import SessionGone, VersionConflict, WriteRefused
from djust.state_backend.base import StateBackend
from djust.testing.support import SOON, Reports, Store, eventually

T = TypeVar("T")


def in_threads(count: int, work: Callable[[int], T]) -> list[T]:
    """Call ``work(number)`` in ``count`` threads that begin together, and return what each returned."""
    barrier = Barrier(count)

    def begin(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


class ConcurrencyContract:
    """Threads and tasks."""

    def test_no_update_of_a_thread_is_lost(self, backend: StateBackend, key: str) -> None:
        backend.set(key, {"n": 0})

        def increment(_number: int) -> int:
            conflicts = 0
            for _ in range(20):
                while True:
                    session = backend.get(key)
                    assert session is not None
                    try:
                        backend.set(key, {"n": session.state["n"] + 1}, expected_version=session.version)
                    except VersionConflict:
                        conflicts += 1
                    else:
                        break
            return conflicts

        in_threads(6, increment)
        session = backend.get(key)
        assert session is not None
        assert session.state == {"n": 120}

    def test_no_update_of_a_task_is_lost(self, backend: StateBackend, key: str) -> None:
        async def increment() -> None:
            for _ in range(10):
                while True:
                    session = await backend.aget(key)
                    assert session is not None
                    try:
                        await backend.aset(key, {"n": session.state["n"] + 1}, expected_version=session.version)
                    except VersionConflict:
                        continue
                    break

        async def run() -> int:
            await backend.aset(key, {"n": 0})
            await asyncio.gather(*(increment() for _ in range(6)))
            session = await backend.aget(key)
            await backend.aclose()
            assert session is not None
            return int(session.state["n"])

        assert asyncio.run(run()) == 60

    def test_many_tasks_can_write_and_read_at_once(self, backend: StateBackend, key: str) -> None:
        async def run() -> None:
            saved = await asyncio.gather(*(backend.aset(f"{key} {number}", {"n": number}) for number in range(300)))
            found = await asyncio.gather(*(backend.aget(f"{key} {number}") for number in range(300)))
            await backend.aclose()
            assert found == saved
            assert [session.state["n"] for session in saved] == list(range(300))

        asyncio.run(run())

    def test_a_refused_write_leaves_those_beside_it_alone(self, backend: StateBackend, key: str) -> None:
        async def run() -> None:
            await backend.aset(f"{key} 0", {})
            answers = await asyncio.gather(
                *(backend.aset(f"{key} {number}", {"n": number}, expected_version=0) for number in range(20)),
                backend.aset(f"{key} none", {}, expected_version=5),
                return_exceptions=True,
            )
            await backend.aclose()
            assert isinstance(answers[0], VersionConflict)
            assert isinstance(answers[-1], SessionGone)
            assert not any(isinstance(answer, BaseException) for answer in answers[1:-1])

        asyncio.run(run())

    def test_one_creator_wins(self, backend: StateBackend, key: str) -> None:
        def create(number: int) -> bool:
            try:
                backend.set(key, {"n": number}, expected_version=0)
            except VersionConflict:
                return False
            return True

        wins = in_threads(8, create)
        session = backend.get(key)
        assert session is not None
        assert [number for number, won in enumerate(wins) if won] == [session.state["n"]]

    def test_a_deleted_session_stays_deleted_whoever_writes(self, backend: StateBackend, key: str) -> None:
        session = backend.set(key, {"n": 0})
        started = Event()

        def write(number: int) -> None:
            if number == 0:
                started.wait()
                backend.delete(key)
                return
            version = session.version
            while True:
                try:
                    version = backend.set(key, {"n": number}, expected_version=version).version
                except VersionConflict:
                    found = backend.get(key)
                    version = version if found is None else found.version
                except SessionGone:
                    return
                started.set()

        in_threads(4, write)
        assert backend.get(key) is None

    def test_sweeps_at_once_report_each_session_once(self, store: Store, key: str, reports: Reports) -> None:
        keys = [f"{key} {number}" for number in range(300)]
        for name in keys:
            store.set(name, {}, SOON)
        eventually(lambda: all(store.backend.get(name) is None for name in keys))
        counts = in_threads(4, lambda _number: store.backend.cleanup_expired())
        assert sum(counts) == 300
        assert all(len(reports.of(name)) == 1 for name in keys)
        assert len(reports) == 300

    def test_a_session_that_is_renewed_survives_a_clean_up(
        self, backend: StateBackend, key: str, reports: Reports
    ) -> None:
        keys = [f"{key} {number}" for number in range(30)]
        over = Event()

        def renew(name: str) -> None:
            """Renew a session often, then let it go. Nobody may report it before it can no longer be renewed."""
            version = backend.set(name, {}, SOON).version
            for _ in range(40):
                try:
                    version = backend.set(name, {}, expected_version=version).version
                except WriteRefused:
                    return
                reported = reports.of(name)
                if not backend.touch(name):
                    return
                assert not reported

        def work(number: int) -> None:
            if number == 0:
                while not over.is_set():
                    backend.cleanup_expired()
                return
            try:
                for name in keys[number - 1 :: 3]:
                    renew(name)
            finally:
                if finished.wait() == 0:
                    over.set()

        finished = Barrier(3)
        in_threads(4, work)
        eventually(lambda: all(backend.get(name) is None for name in keys))
        backend.cleanup_expired()
        assert all(len(reports.of(name)) == 1 for name in keys)
        assert len(reports) == 30

    def test_a_clean_up_by_hand_ends_no_session_that_is_renewed(
        self, backend: StateBackend, key: str, reports: Reports
    ) -> None:
        backend.set(key, {}, 3600)
        over = Event()

        def work(number: int) -> int:
            if number == 0:
                removed = 0
                while not over.is_set():
                    removed += backend.cleanup_expired(ttl=600)
                return removed
            try:
                for _ in range(200):
                    assert backend.touch(key)
            finally:
                over.set()
            return 0

        assert in_threads(2, work)[0] == 0
        assert backend.get(key) is not None
        assert not reports.of(key)
