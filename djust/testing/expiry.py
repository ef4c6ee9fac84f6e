"""What happens to sessions that are over."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

from djust.signals import session_expired
from djust.state_backend.base import StateBackend
from djust.testing.support import SOON, Reports, Store, eventually


def _idle_for(store: Store, key: str, seconds: float) -> None:
    """Wait until the session has been idle for longer than ``seconds``."""
    since = store.live(key).last_active_at
    eventually(lambda: (datetime.now(UTC) - since).total_seconds() > seconds + 0.002)


class ExpiryContract:
    """Clean-up, sweeps and signals."""

    # Clean-up

    def test_clean_up_removes_what_is_due_and_returns_how_many(self, store: Store, key: str, reports: Reports) -> None:
        live = store.set(f"{key} live", {})
        for number in range(3):
            store.set(f"{key} {number}", {}, SOON)
        eventually(lambda: all(store.get(f"{key} {number}") is None for number in range(3)))
        assert store.cleanup_expired() == 3
        assert store.cleanup_expired() == 0
        assert store.get(f"{key} live") == live
        assert len(reports) == 3

    def test_clean_up_of_nothing_removes_nothing(self, store: Store) -> None:
        assert store.cleanup_expired() == 0
        assert store.cleanup_expired(ttl=1) == 0

    def test_a_report_says_who_it_was(self, store: Store, backend: StateBackend, key: str, reports: Reports) -> None:
        expired = store.set_expired(key, {"secret": 1}, owner="someone", label="kind")
        assert len(reports) == 0
        store.cleanup_expired()
        [report] = reports.of(key)
        assert report.signal == "session_expired"
        assert report.sender is type(backend)
        assert (report.owner, report.label, report.cause) == ("someone", "kind", "idle")
        assert (report.created_at, report.last_active_at) == (expired.created_at, expired.last_active_at)

    def test_an_expired_session_is_reported_once(self, store: Store, key: str, reports: Reports) -> None:
        store.set_expired(key)
        for _ in range(3):
            store.cleanup_expired()
            store.get(key)
            store.cleanup_expired(ttl=60)
        assert len(reports.of(key)) == 1

    def test_a_deleted_session_is_not_reported(self, store: Store, key: str, reports: Reports) -> None:
        session = store.set(key, {}, 0.3)
        assert store.delete(key) is True
        assert store.delete(key) is False
        assert store.get(key) is None
        eventually(lambda: session.expires_at is not None and datetime.now(UTC) > session.expires_at)
        assert store.cleanup_expired() == 0
        assert len(reports) == 0

    def test_a_receiver_that_raises_stops_nothing(self, store: Store, key: str, reports: Reports) -> None:
        def trip(**_: object) -> None:
            raise RuntimeError("a receiver's own mistake")

        session_expired.connect(trip)
        try:
            for number in range(30):
                store.set(f"{key} {number}", {}, SOON)
            eventually(lambda: all(store.get(f"{key} {number}") is None for number in range(30)))
            assert store.cleanup_expired() == 30
        finally:
            session_expired.disconnect(trip)
        assert len(reports) == 30

    def test_a_ttl_by_hand_also_removes_what_has_been_idle_for_longer(
        self, store: Store, key: str, reports: Reports
    ) -> None:
        old = store.set(key, {}, 3600, owner="someone")
        store.set(f"{key} never", {}, 0)
        store.set(f"{key} touched", {}, 3600)
        started = time.monotonic()
        assert store.cleanup_expired(ttl=3600) == 0
        # Longer than the rest takes, on this machine and now.
        idle = max(0.25, 20 * (time.monotonic() - started))
        _idle_for(store, f"{key} touched", idle)
        store.set(f"{key} new", {}, 3600)
        assert store.touch(f"{key} touched")
        assert store.cleanup_expired(ttl=idle) == 1
        assert store.get(key) is None
        assert {info.key for info in store.sessions()} == {f"{key} never", f"{key} new", f"{key} touched"}
        [report] = reports.of(key)
        assert (report.signal, report.owner, report.cause) == ("session_expired", "someone", "idle")
        assert (report.created_at, report.last_active_at) == (old.created_at, old.last_active_at)
        assert store.delete_owner("someone") == 0

    def test_a_ttl_by_hand_also_removes_what_is_due(self, store: Store, key: str) -> None:
        store.set_expired(key)
        assert store.cleanup_expired(ttl=3600) == 1

    def test_a_ttl_by_hand_of_zero_or_less_removes_nothing(self, store: Store, key: str, reports: Reports) -> None:
        store.set(f"{key} live", {})
        store.set_expired(key)
        assert store.cleanup_expired(ttl=0) == 0
        assert store.cleanup_expired(ttl=-1) == 0
        assert len(reports) == 0
        assert store.cleanup_expired() == 1

    # Sweeps

    def test_a_sweep_reaps_in_slices_and_hands_out_each_session_once(
        self, store: Store, backend: StateBackend
    ) -> None:
        keys = {f"{uuid.uuid4().hex} {number}" for number in range(200)}
        for key in keys:
            store.set(key, {}, SOON)
        store.set("live", {})
        eventually(lambda: all(store.get(key) is None for key in keys))
        assert backend.backlog().sessions == 200
        sweep = backend.open_sweep()
        claimed: list[str] = []
        removed = 0
        done = False
        while not done:
            reaped = sweep.reap(64)
            assert reaped.removed <= 64
            done, removed = reaped.done, removed + reaped.removed
            while gone := sweep.claim(10):
                assert len(gone) <= 10
                assert all(session.expired and session.cause == "idle" for session in gone)
                claimed += [session.key for session in gone]
        sweep.close()
        assert removed <= 200
        assert sorted(claimed) == sorted(keys)
        assert backend.open_sweep().abandoned() == 0
        assert backend.backlog().sessions == 0

    def test_what_is_reaped_and_not_claimed_is_reported_by_the_next(
        self, store: Store, backend: StateBackend, key: str, reports: Reports
    ) -> None:
        store.set_expired(key)
        sweep = backend.open_sweep()
        removed, done = 0, False
        while not done:
            reaped = sweep.reap(1000)
            removed, done = removed + reaped.removed, reaped.done
        sweep.close()
        assert removed == 1
        assert backend.backlog().sessions == 1
        assert store.cleanup_expired() == 1
        assert len(reports.of(key)) == 1

    def test_the_backlog_is_what_is_overdue(self, store: Store, backend: StateBackend, key: str) -> None:
        store.set(f"{key} live", {})
        store.set(f"{key} never", {}, 0)
        assert (backend.backlog().sessions, backend.backlog().oldest_overdue_seconds) == (0, None)
        expired = store.set_expired(key)
        assert backend.backlog().sessions == 1
        overdue = backend.backlog().oldest_overdue_seconds
        assert overdue is not None
        assert expired.expires_at is not None
        assert 0 <= overdue <= (datetime.now(UTC) - expired.expires_at).total_seconds() + 0.002
        assert eventually(lambda: (backend.backlog().oldest_overdue_seconds or 0) > overdue)
        store.cleanup_expired()
        assert (backend.backlog().sessions, backend.backlog().oldest_overdue_seconds) == (0, None)

    def test_what_is_due_can_be_counted_beforehand(self, store: Store, backend: StateBackend, key: str) -> None:
        store.set(key, {}, 3600)
        store.set(f"{key} never", {}, 0)
        assert backend.count_due() == 0
        store.set_expired(f"{key} expired")
        _idle_for(store, key, 0.05)
        assert backend.count_due() == 1
        assert backend.count_due(3600) == 1
        assert backend.count_due(0.05) == 2
        assert store.cleanup_expired(0.05) == 2
        assert backend.count_due(0.05) == 0

    # Leases

    def test_a_lease_has_one_holder(self, backend: StateBackend) -> None:
        assert backend.acquire_lease("work", "a", 60)
        assert not backend.acquire_lease("work", "b", 60)
        assert backend.acquire_lease("work", "a", 60)
        assert backend.acquire_lease("other work", "b", 60)
        backend.release_lease("work", "b")
        assert not backend.acquire_lease("work", "b", 60)
        backend.release_lease("work", "a")
        assert backend.acquire_lease("work", "b", 60)

    async def test_a_lease_is_known_by_its_holder(self, backend: StateBackend) -> None:
        assert await backend.alease_holder("work") is None
        assert await backend.aacquire_lease("work", "a", 60)
        assert not await backend.aacquire_lease("work", "b", 60)
        assert await backend.alease_holder("work") == "a"
        await backend.arelease_lease("work", "a")
        assert await backend.alease_holder("work") is None

    def test_a_lease_runs_out(self, backend: StateBackend) -> None:
        assert backend.acquire_lease("work", "a", 0.1)
        eventually(lambda: backend.acquire_lease("work", "b", 60))
        backend.release_lease("work", "a")
        assert not backend.acquire_lease("work", "a", 60)
