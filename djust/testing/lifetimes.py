"""How long a session lives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from djust.conf import MAX_SECONDS
from djust.exceptions import InvalidArgument
from djust.state_backend.base import StateBackend
from djust.state_backend.records import Session
from djust.testing.support import SOON, MakeBackend, Reports, Store, eventually

MakeStore = Callable[[StateBackend], Store]

#: What the clocks of this process and of a store on the same machine may differ by, and what is lost in rounding.
TOLERANCE = timedelta(milliseconds=2)


def idle_seconds(session: Session) -> float:
    """Return the time from the last activity to the deadline."""
    assert session.expires_at is not None
    return (session.expires_at - session.last_active_at).total_seconds()


class LifetimesContract:
    """Times to live, touch and the absolute limit."""

    # Times to live

    def test_a_new_session_gets_the_default_ttl(
        self, make_store: MakeStore, make_backend: MakeBackend, key: str
    ) -> None:
        session = make_store(make_backend(default_ttl=1234)).set(key, {})
        assert session.ttl == timedelta(seconds=1234)
        assert idle_seconds(session) == pytest.approx(1234, abs=0.002)

    def test_a_session_can_have_its_own_ttl(self, store: Store, key: str) -> None:
        session = store.set(key, {}, 12.5)
        assert session.ttl == timedelta(seconds=12.5)
        assert idle_seconds(session) == pytest.approx(12.5, abs=0.002)

    def test_its_own_ttl_is_kept_unless_another_is_given(self, store: Store, key: str) -> None:
        store.set(key, {}, 50)
        assert store.set(key, {}).ttl == timedelta(seconds=50)
        assert store.set(key, {}, 70).ttl == timedelta(seconds=70)
        assert store.set(key, {}).ttl == timedelta(seconds=70)

    @pytest.mark.parametrize("ttl", [0, -1, -3600.5])
    def test_zero_or_less_means_never(self, store: Store, key: str, ttl: float) -> None:
        session = store.set(key, {}, ttl)
        assert session.expires_at is None
        assert session.ttl is None
        assert store.get(key) == session
        assert store.set(key, {}).expires_at is None

    @pytest.mark.parametrize("ttl", [0, -1])
    def test_the_default_can_be_never(
        self, make_store: MakeStore, make_backend: MakeBackend, key: str, ttl: float
    ) -> None:
        assert make_store(make_backend(default_ttl=ttl)).set(key, {}).expires_at is None

    def test_a_session_that_never_idles_out_can_be_made_to(self, store: Store, key: str) -> None:
        store.set(key, {}, 0)
        assert idle_seconds(store.set(key, {}, 60)) == pytest.approx(60, abs=0.002)

    def test_a_ttl_of_a_century_is_the_longest(self, store: Store, key: str) -> None:
        session = store.set(key, {}, MAX_SECONDS)
        assert session.ttl == timedelta(seconds=MAX_SECONDS)
        assert store.get(key) == session
        with pytest.raises(InvalidArgument):
            store.set(key, {}, MAX_SECONDS + 1)
        with pytest.raises(InvalidArgument):
            store.touch(key, MAX_SECONDS + 1)
        assert store.get(key) == session

    def test_a_session_expires_without_any_clean_up(self, store: Store, key: str) -> None:
        session = store.set(key, {}, SOON)
        eventually(lambda: store.get(key) is None)
        assert session.expires_at is not None
        assert datetime.now(UTC) >= session.expires_at - TOLERANCE

    def test_a_read_does_not_prolong_a_session(self, store: Store, key: str) -> None:
        session = store.set(key, {}, SOON)
        eventually(lambda: (found := store.get(key)) is None or found.expires_at != session.expires_at)
        assert store.get(key) is None

    def test_moments_are_aware_and_in_order(self, store: Store, key: str) -> None:
        before = datetime.now(UTC)
        session = store.set(key, {})
        after = datetime.now(UTC)
        assert before - TOLERANCE <= session.created_at <= after + TOLERANCE
        assert session.last_active_at == session.created_at
        assert session.created_at.tzinfo is not None
        assert session.expires_at is not None
        assert session.expires_at.tzinfo is not None

    def test_a_write_is_an_activity(self, store: Store, key: str) -> None:
        first = store.set(key, {})
        later = eventually(lambda: (again := store.set(key, {})).last_active_at > first.last_active_at and again)
        assert later.created_at == first.created_at
        assert idle_seconds(later) == pytest.approx(idle_seconds(first), abs=0.002)

    # Touch

    def test_a_touch_moves_the_idle_deadline_and_nothing_else(self, store: Store, key: str) -> None:
        first = store.set(key, {"a": 1}, 60, owner="someone", label="kind")
        eventually(lambda: store.touch(key) and store.live(key).last_active_at > first.last_active_at)
        later = store.live(key)
        assert later.expires_at is not None
        assert first.expires_at is not None
        assert later.expires_at - first.expires_at == later.last_active_at - first.last_active_at
        assert (later.version, later.state, later.created_at) == (first.version, first.state, first.created_at)
        assert (later.owner, later.label, later.ttl) == (first.owner, first.label, first.ttl)

    def test_an_unknown_session_cannot_be_touched(self, store: Store, key: str) -> None:
        assert store.touch(key) is False
        assert store.get(key) is None

    def test_an_expired_session_cannot_be_touched(self, store: Store, key: str) -> None:
        store.set_expired(key)
        assert store.touch(key) is False
        assert store.touch(key, 60) is False
        assert store.get(key) is None

    def test_a_deleted_session_cannot_be_touched(self, store: Store, key: str) -> None:
        store.set(key, {})
        store.delete(key)
        assert store.touch(key, 60) is False
        assert store.get(key) is None

    def test_a_touch_with_a_ttl_sets_the_session_s_own(self, store: Store, key: str) -> None:
        store.set(key, {}, 60)
        assert store.touch(key, 90)
        assert store.live(key).ttl == timedelta(seconds=90)
        assert idle_seconds(store.live(key)) == pytest.approx(90, abs=0.002)
        assert store.touch(key)
        assert store.set(key, {}).ttl == timedelta(seconds=90)

    def test_a_touch_can_shorten_the_ttl(self, store: Store, key: str) -> None:
        store.set(key, {}, 3600)
        assert store.touch(key, SOON)
        eventually(lambda: store.get(key) is None)
        assert store.cleanup_expired() == 1

    @pytest.mark.parametrize("ttl", [0, -1])
    def test_a_touch_with_zero_or_less_means_never(self, store: Store, key: str, ttl: float) -> None:
        store.set(key, {}, 60)
        assert store.touch(key, ttl)
        assert store.live(key).expires_at is None
        assert store.touch(key)
        assert store.live(key).expires_at is None
        assert store.touch(key, 60)
        assert idle_seconds(store.live(key)) == pytest.approx(60, abs=0.002)

    def test_a_touched_session_outlives_its_first_deadline(self, store: Store, key: str, reports: Reports) -> None:
        first = store.set(key, {}, 1)
        assert store.touch(key, 3600)
        eventually(lambda: first.expires_at is not None and datetime.now(UTC) > first.expires_at + TOLERANCE)
        assert store.cleanup_expired() == 0
        assert store.get(key) is not None
        assert not reports.of(key)

    def test_a_touch_is_worth_it_after_a_tenth_of_the_ttl(self, store: Store, key: str) -> None:
        session = store.set(key, {}, 100)
        due_at = session.touch_due_at()
        assert due_at == session.last_active_at + timedelta(seconds=10)
        assert store.touch_if_due(session) is False
        assert store.touch_if_due(session, due_at - timedelta(milliseconds=1)) is False
        assert store.touch_if_due(session, due_at) is True
        store.delete(key)
        assert store.touch_if_due(session, due_at) is False

    def test_a_touch_is_never_worth_it_for_a_session_that_never_idles_out(self, store: Store, key: str) -> None:
        session = store.set(key, {}, 0)
        assert session.touch_due_at() is None
        assert store.touch_if_due(session, datetime.now(UTC) + timedelta(days=1)) is False

    # The absolute limit

    def test_the_earlier_of_both_limits_holds(
        self, make_store: MakeStore, make_backend: MakeBackend, key: str
    ) -> None:
        store = make_store(make_backend(default_ttl=60, max_age=100))
        assert idle_seconds(store.set(key, {})) == pytest.approx(60, abs=0.002)
        longer = store.set(key, {}, 300)
        assert longer.ttl == timedelta(seconds=300)
        assert longer.expires_at == longer.created_at + timedelta(seconds=100)

    def test_a_touch_does_not_move_the_absolute_limit(
        self, make_store: MakeStore, make_backend: MakeBackend, key: str
    ) -> None:
        store = make_store(make_backend(default_ttl=60, max_age=60))
        first = store.set(key, {})
        eventually(lambda: store.touch(key) and store.live(key).last_active_at > first.last_active_at)
        assert store.live(key).expires_at == first.expires_at
        assert store.touch(key, 1000)
        assert store.live(key).expires_at == first.expires_at

    def test_a_write_does_not_move_the_absolute_limit(
        self, make_store: MakeStore, make_backend: MakeBackend, key: str
    ) -> None:
        store = make_store(make_backend(default_ttl=60, max_age=60))
        first = store.set(key, {})
        later = eventually(lambda: (again := store.set(key, {})).last_active_at > first.last_active_at and again)
        assert later.expires_at == first.expires_at

    @pytest.mark.parametrize("ttl", [0, 3600])
    def test_the_absolute_limit_holds_for_every_session(
        self, make_store: MakeStore, make_backend: MakeBackend, key: str, reports: Reports, ttl: float
    ) -> None:
        store = make_store(make_backend(max_age=0.2))
        session = store.set(key, {}, ttl)
        assert session.expires_at == session.created_at + timedelta(seconds=0.2)
        eventually(lambda: not store.touch(key))
        eventually(lambda: store.get(key) is None)
        assert store.cleanup_expired() == 1
        assert [report.cause for report in reports.of(key)] == ["max_age"]
