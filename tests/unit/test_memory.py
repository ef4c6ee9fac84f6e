"""What the memory backend does beyond the contract: its bound, its statistics, its log and its forks."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from djust.codec import Codec
from djust.conf import Config
from djust.exceptions import BackendFull, InvalidArgument, SessionGone, VersionConflict
from djust.log import hashed
from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.memory.table import SLICE, Change, Table
from djust.testing import Reports, eventually
from djust.testing.support import SOON, recorded_reports

Make = Callable[..., InMemoryStateBackend]


@pytest.fixture
def reports() -> Iterator[Reports]:
    """Record the signals."""
    with recorded_reports() as reports:
        yield reports


@pytest.fixture
def make() -> Iterator[Make]:
    """Make backends that do not sweep themselves unless told to."""
    made: list[InMemoryStateBackend] = []

    def build(default_ttl: float = 3600, **options: Any) -> InMemoryStateBackend:
        made.append(InMemoryStateBackend(default_ttl, **{"sweep_seconds": 3600, **options}))
        return made[-1]

    yield build
    for backend in made:
        backend.close()


def change(version: int, **given: Any) -> Change:
    return Change(
        **{"body": b"", "version": version, "ttl": None, "owner": None, "label": None, "expected_version": None}
        | given
    )


class TestConstruction:
    def test_says_what_it_is(self, make: Make) -> None:
        backend = make()
        assert (backend.name, backend.process_local, backend.ever_used) == ("memory", True, False)

    def test_reads_its_settings(self) -> None:
        backend = InMemoryStateBackend.from_config(
            Config(session_ttl=7, session_max_age=11, memory_max_sessions=3, memory_sweep_seconds=0.5)
        )
        assert (backend.default_ttl, backend.max_age) == (7, 11)
        assert (backend.max_sessions, backend.sweep_seconds) == (3, 0.5)

    @pytest.mark.parametrize(
        "options",
        [
            {"max_sessions": 0},
            {"max_sessions": -1},
            {"sweep_seconds": 0},
            {"sweep_seconds": float("nan")},
            {"max_age": 0},
            {"max_age": -1},
            {"default_ttl": float("inf")},
        ],
    )
    def test_refuses_what_makes_no_sense(self, options: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgument):
            InMemoryStateBackend(**options)

    def test_knows_whether_this_process_has_written(self, make: Make) -> None:
        backend = make()
        backend.get("key")
        backend.touch("key")
        backend.cleanup_expired()
        with pytest.raises(SessionGone):
            backend.set("key", {}, expected_version=1)
        assert not backend.ever_used
        backend.set("key", {})
        backend.delete("key")
        assert backend.ever_used


class TestBound:
    def test_a_new_session_past_the_bound_is_refused_and_none_is_thrown_away(self, make: Make) -> None:
        backend = make(max_sessions=3)
        kept = [backend.set(f"key {number}", {}, 0 if number else 60) for number in range(3)]
        for expected_version in (None, 0):
            with pytest.raises(BackendFull, match="MEMORY_MAX_SESSIONS"):
                backend.set("one more", {}, expected_version=expected_version)
        assert [backend.get(session.key) for session in kept] == kept
        assert backend.get("one more") is None

    def test_sessions_that_are_there_can_be_saved_and_touched(self, make: Make) -> None:
        backend = make(max_sessions=1)
        session = backend.set("key", {"n": 1})
        assert backend.set("key", {"n": 2}, expected_version=session.version).state == {"n": 2}
        assert backend.set("key", {"n": 3}).state == {"n": 3}
        assert backend.touch("key")

    def test_a_full_backend_still_tells_gone_and_conflict_apart(self, make: Make) -> None:
        backend = make(max_sessions=1)
        backend.set("key", {})
        with pytest.raises(SessionGone):
            backend.set("other", {}, expected_version=1)
        with pytest.raises(VersionConflict):
            backend.set("key", {}, expected_version=0)

    def test_a_deletion_makes_room(self, make: Make) -> None:
        backend = make(max_sessions=1)
        backend.set("key", {})
        backend.delete("key")
        backend.set("other", {})

    def test_overdue_sessions_make_room_and_are_reported_later(self, make: Make, reports: Reports) -> None:
        backend = make(max_sessions=3)
        for number in range(2):
            backend.set(f"old {number}", {}, SOON)
        backend.set("live", {})
        eventually(lambda: backend.backlog().sessions == 2)
        backend.set("new 0", {})
        backend.set("new 1", {})
        with pytest.raises(BackendFull):
            backend.set("new 2", {})
        assert len(reports) == 0
        assert backend.get_stats()["overdue_sessions"] == 2
        assert backend.cleanup_expired() == 2
        assert [report.cause for number in range(2) for report in reports.of(f"old {number}")] == ["idle", "idle"]

    def test_renewed_sessions_before_the_overdue_one_do_not_hide_it(self, make: Make) -> None:
        backend = make(max_sessions=3 * SLICE)
        for number in range(3 * SLICE - 1):
            backend.set(f"renewed {number}", {}, SOON)
        backend.set("overdue", {}, SOON)
        for number in range(3 * SLICE - 1):
            backend.set(f"renewed {number}", {}, 3600)
        eventually(lambda: backend.get("overdue") is None)
        backend.set("new", {})
        with pytest.raises(BackendFull):
            backend.set("newer", {})


class TestVersions:
    def test_no_two_backends_of_a_process_share_one(self, make: Make) -> None:
        backends = [make(), make()]
        versions = [backend.set("key", {}).version for backend in backends for _ in range(50)]
        assert len(set(versions)) == 100

    def test_every_language_can_count_that_far(self, make: Make) -> None:
        assert make().set("key", {}).version < 2**53


class TestFigures:
    def test_the_average_age_is_exact(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        backend = make()
        for age in (50, 30, 10):
            clock.now = 1_000_000 - age * 1000
            backend.set(f"key {age}", {})
        clock.now = 900_000
        backend.set("overdue", {}, 1)
        clock.now = 1_000_000
        stats = backend.get_stats()
        assert (stats["oldest_session_age"], stats["newest_session_age"], stats["average_age"]) == (50, 10, 30)
        assert (stats["total_sessions"], stats["overdue_sessions"]) == (3, 1)
        assert backend.backlog().oldest_overdue_seconds == 99

    def test_the_memory_is_that_of_the_encoded_states(self, make: Make) -> None:
        codec = Codec.from_config(Config())
        backend = make(codec=codec)
        states = [{"text": "x" * number} for number in range(30)]
        for number, state in enumerate(states):
            backend.set(f"key {number}", state)
        sizes = [len(codec.encode(state)) for state in states]
        memory = backend.get_memory_stats()
        assert memory["total_state_bytes"] == sum(sizes)
        assert memory["average_state_bytes"] == round(sum(sizes) / 30)
        assert [entry["bytes"] for entry in memory["largest_sessions"]] == sorted(sizes, reverse=True)[:10]


class TestIndex:
    def test_one_hold_of_the_lock_looks_at_one_slice(self) -> None:
        table = Table(1, 0, 10_000)
        for number in range(3 * SLICE):
            table.save(str(number), change(number + 1))
        eventually(lambda: table.find(str(3 * SLICE - 1)) is None)
        assert table.reap(10_000).removed == SLICE
        assert table.reap(10).removed == 10

    def test_the_longest_overdue_go_first(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        backend = make()
        for seconds in (5, 1, 4, 2, 3):
            backend.set(f"{seconds}", {}, seconds)
        clock.now += 60_000
        sweep = backend.open_sweep()
        assert sweep.reap(3).removed == 3
        assert [gone.key for gone in sweep.claim(10)] == ["1", "2", "3"]

    def test_deadlines_that_move_away_add_nothing(self) -> None:
        table = Table(60_000, 0, 10_000)
        table.save("key", change(1))
        for number in range(5_000):
            table.touch("key", 60_000 + number)
        assert table.index_size() == 1

    def test_deleted_sessions_do_not_pile_up(self) -> None:
        table = Table(60_000, 0, 10_000)
        for number in range(200):
            table.save(f"kept {number}", change(number + 1))
        for number in range(20_000):
            table.save("passing", change(number + 1_000))
            table.delete(["passing"])
        assert table.index_size() < 4_000
        assert sorted(table.keys()) == sorted(f"kept {number}" for number in range(200))

    def test_no_deadline_is_lost_when_the_index_is_compacted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock(monkeypatch)
        table = Table(60_000, 0, 100_000)
        for number in range(3_000):
            table.save(str(number), change(number + 1, ttl=1_000 + number))
        for number in range(0, 3_000, 2):
            table.delete([str(number)])
        for number in range(5_000):
            table.save("passing", change(number + 10_000, ttl=500))
            table.delete(["passing"])
        clock.now += 60_000
        done = False
        while not done:
            done = table.reap(SLICE).done
        assert [gone.key for gone in table.claim(3_000)] == [str(number) for number in range(1, 3_000, 2)]
        assert table.index_size() == 0

    def test_a_ttl_by_hand_over_many_sessions_works_in_slices(self, make: Make, reports: Reports) -> None:
        backend = make(max_sessions=5_000)
        for number in range(2_000):
            backend.set(f"{number}", {}, 0 if number % 2 else 3600)
        last = backend.get("1998")
        assert last is not None
        eventually(lambda: backend.count_due(0.01) == 1_000)
        assert backend.cleanup_expired(ttl=0.01) == 1_000
        assert backend.get_stats()["total_sessions"] == 1_000
        assert len(reports) == 1_000


class TestLog:
    @pytest.fixture(autouse=True)
    def debug(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "djust.state_backend")

    def test_creation_and_deletion_are_logged_once(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        backend = make()
        backend.set("canary-key", {"canary": "canary-state"}, owner="canary-owner", label="kind")
        backend.set("canary-key", {"canary": "canary-state"})
        backend.touch("canary-key")
        backend.delete("canary-key")
        backend.delete("canary-key")
        events = [record.getMessage().split()[0] for record in caplog.records]
        assert events == ["session_created", "session_deleted"]
        assert all(f"session={hashed('canary-key')}" in record.getMessage() for record in caplog.records)
        assert all(f"owner={hashed('canary-owner')}" in record.getMessage() for record in caplog.records)
        assert "canary" not in caplog.text

    def test_the_end_of_an_owner_s_sessions_is_logged(self, make: Make, caplog: pytest.LogCaptureFixture) -> None:
        backend = make()
        for number in range(3):
            backend.set(f"key {number}", {}, owner=7)
        caplog.clear()
        backend.delete_owner(7)
        assert [record.getMessage().split()[0] for record in caplog.records] == ["session_deleted"] * 3

    def test_nothing_is_hashed_for_a_log_that_is_off(
        self, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caplog.set_level(logging.INFO, "djust.state_backend")
        monkeypatch.setattr("djust.state_backend.memory.backend.hashed", None)
        backend = make()
        backend.set("key", {})
        assert backend.delete("key")


class TestFork:
    def test_a_child_starts_empty_and_its_parent_keeps_everything(self, make: Make, reports: Reports) -> None:
        backend = make(sweep_seconds=0.01)
        backend.set("live", {}, owner="someone")
        backend.acquire_lease("work", "parent", 60)
        backend.set("overdue", {}, SOON)

        def child() -> bool:
            started_empty = (
                not backend.ever_used
                and backend.get("live") is None
                and backend.backlog().sessions == 0
                and backend.get_stats()["total_sessions"] == 0
                and backend.acquire_lease("work", "child", 60)
            )
            backend.set("own", {}, SOON)
            eventually(lambda: reports.of("own"))
            return bool(started_empty and backend.ever_used)

        assert in_child(child)
        assert backend.get("live") is not None
        assert backend.get("own") is None
        assert eventually(lambda: reports.of("overdue"))

    def test_a_fork_while_the_lock_is_held_leaves_the_child_usable(self, make: Make) -> None:
        backend = make()
        backend.set("key", {})
        with backend._table._lock, backend._sweeper._lock, backend._lease_lock:
            assert in_child(lambda: backend.set("key", {"n": 1}).state == {"n": 1})

    def test_parent_and_child_give_different_versions(self, make: Make) -> None:
        backend = make()
        before = backend.set("key", {}).version
        reading, writing = os.pipe()

        def child() -> bool:
            os.write(writing, str(backend.set("key", {}).version).encode())
            return True

        assert in_child(child)
        theirs = int(os.read(reading, 100))
        os.close(reading)
        os.close(writing)
        ours = {before, *(backend.set("key", {}).version for _ in range(100))}
        assert theirs not in ours

    def test_a_discarded_backend_is_not_kept_for_forks(self) -> None:
        backends = threading.local()
        backends.it = InMemoryStateBackend()
        kept = id(backends.it)
        del backends.it
        gc.collect()
        assert kept not in {id(found) for found in gc.get_objects() if type(found) is InMemoryStateBackend}


def in_child(work: Callable[[], bool]) -> bool:
    """Return what ``work`` returns in a forked process."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


class Clock:
    """A clock that stands still, for the memory backend."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000
        monkeypatch.setattr("djust.state_backend.memory.table.now_milliseconds", lambda: self.now)
        monkeypatch.setattr("djust.state_backend.memory.backend.now_milliseconds", lambda: self.now)
