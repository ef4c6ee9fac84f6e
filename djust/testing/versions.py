"""Versions, and what a write keeps of what was there."""

from __future__ import annotations

import pytest

from djust.exceptions import SessionGone, VersionConflict
from djust.testing.support import Reports, Store, eventually


class VersionsContract:
    """No lost update, no session that comes back."""

    def test_every_write_has_its_own_positive_version(self, store: Store, key: str) -> None:
        versions = [store.set(key, {"n": number}).version for number in range(20)]
        assert len(set(versions)) == 20
        assert all(version > 0 for version in versions)
        assert store.live(key).version == versions[-1]

    def test_a_read_and_a_touch_keep_the_version(self, store: Store, key: str) -> None:
        version = store.set(key, {}).version
        store.touch(key)
        assert store.live(key).version == version

    def test_a_write_over_the_expected_version_is_saved(self, store: Store, key: str) -> None:
        first = store.set(key, {"n": 1})
        second = store.set(key, {"n": 2}, expected_version=first.version)
        assert store.get(key) == second
        assert second.state == {"n": 2}

    def test_a_write_over_another_version_is_a_conflict(self, store: Store, key: str) -> None:
        first = store.set(key, {"n": 1})
        second = store.set(key, {"n": 2}, 60, owner="someone")
        with pytest.raises(VersionConflict):
            store.set(key, {"n": 3}, 90, owner="another", label="kind", expected_version=first.version)
        assert store.get(key) == second

    def test_a_write_over_a_version_that_was_never_given_is_a_conflict(self, store: Store, key: str) -> None:
        saved = store.set(key, {})
        with pytest.raises(VersionConflict):
            store.set(key, {"n": 1}, expected_version=saved.version ^ 1)
        assert store.get(key) == saved

    def test_a_write_over_a_session_that_never_was_is_gone(self, store: Store, key: str) -> None:
        with pytest.raises(SessionGone):
            store.set(key, {}, expected_version=7)
        assert store.get(key) is None

    def test_a_deleted_session_does_not_come_back(self, store: Store, key: str) -> None:
        saved = store.set(key, {})
        assert store.delete(key)
        with pytest.raises(SessionGone):
            store.set(key, {}, expected_version=saved.version)
        assert store.get(key) is None

    def test_zero_creates(self, store: Store, key: str) -> None:
        saved = store.set(key, {"n": 1}, expected_version=0)
        assert store.get(key) == saved

    def test_zero_over_a_session_is_a_conflict(self, store: Store, key: str) -> None:
        saved = store.set(key, {"n": 1})
        with pytest.raises(VersionConflict):
            store.set(key, {"n": 2}, expected_version=0)
        assert store.get(key) == saved

    def test_zero_creates_after_a_deletion(self, store: Store, key: str) -> None:
        store.set(key, {}, owner="someone", label="kind")
        store.delete(key)
        saved = store.set(key, {}, expected_version=0)
        assert (saved.owner, saved.label) == (None, None)

    def test_a_session_made_anew_is_not_mistaken_for_the_one_before(self, store: Store, key: str) -> None:
        seen: set[int] = set()
        for _ in range(5):
            first = store.set(key, {})
            second = store.set(key, {})
            assert not {first.version, second.version} & seen
            seen |= {first.version, second.version}
            store.delete(key)
        last = store.set(key, {})
        for version in seen:
            with pytest.raises(VersionConflict):
                store.set(key, {"stale": True}, expected_version=version)
        assert store.get(key) == last

    def test_a_write_keeps_owner_label_creation_and_ttl(self, store: Store, key: str) -> None:
        first = store.set(key, {}, 60, owner="someone", label="kind")
        eventually(lambda: store.set(key, {}).last_active_at > first.last_active_at)
        for second in (store.live(key), store.set(key, {}, expected_version=store.live(key).version)):
            assert (second.owner, second.label) == ("someone", "kind")
            assert (second.created_at, second.ttl) == (first.created_at, first.ttl)

    def test_a_write_changes_owner_and_label_when_given(self, store: Store, key: str) -> None:
        store.set(key, {}, owner="someone", label="kind")
        second = store.set(key, {}, owner="another")
        assert (second.owner, second.label) == ("another", "kind")
        third = store.set(key, {}, label="other kind")
        assert (third.owner, third.label) == ("another", "other kind")
        assert store.get(key) == third
        assert store.sessions(owner="someone") == []
        assert store.delete_owner("someone") == 0
        assert [info.key for info in store.sessions(owner="another", label="other kind")] == [key]
        assert store.delete_owner("another") == 1

    def test_a_session_may_get_its_owner_later(self, store: Store, key: str) -> None:
        store.set(key, {})
        assert store.set(key, {}, owner="someone").owner == "someone"
        assert store.delete_owner("someone") == 1

    # Expired is absent

    def test_a_write_over_an_expired_session_is_gone(self, store: Store, key: str, reports: Reports) -> None:
        expired = store.set_expired(key)
        with pytest.raises(SessionGone):
            store.set(key, {}, expected_version=expired.version)
        assert store.get(key) is None
        store.cleanup_expired()
        assert len(reports.of(key)) == 1
        with pytest.raises(SessionGone):
            store.set(key, {}, expected_version=expired.version)

    @pytest.mark.parametrize("expected_version", [None, 0], ids=["whatever", "create"])
    @pytest.mark.parametrize("swept", [False, True], ids=["due", "swept"])
    def test_nothing_is_inherited_from_an_expired_session(
        self, store: Store, key: str, reports: Reports, expected_version: int | None, swept: bool
    ) -> None:
        expired = store.set_expired(key, {"old": True}, owner="someone", label="kind")
        if swept:
            assert store.cleanup_expired() == 1
        saved = store.set(key, {"new": True}, expected_version=expected_version)
        assert (saved.owner, saved.label, saved.state) == (None, None, {"new": True})
        assert saved.created_at > expired.created_at
        assert saved.version != expired.version
        assert saved.ttl != expired.ttl
        assert store.get(key) == saved
        assert store.delete_owner("someone") == 0
        assert store.cleanup_expired() == (0 if swept else 1)
        assert store.cleanup_expired() == 0
        [report] = reports.of(key)
        assert (report.signal, report.cause) == ("session_expired", "idle")
        assert (report.owner, report.label, report.created_at) == ("someone", "kind", expired.created_at)
        assert store.get(key) == saved

    def test_each_incarnation_is_reported(self, store: Store, key: str, reports: Reports) -> None:
        created = [store.set_expired(key, owner=f"owner {number}").created_at for number in range(3)]
        assert store.cleanup_expired() == 3
        assert {(report.owner, report.created_at) for report in reports.of(key)} == {
            (f"owner {number}", moment) for number, moment in enumerate(created)
        }
        assert len(reports.of(key)) == 3

    def test_an_expired_session_that_is_made_anew_and_deleted_is_reported(
        self, store: Store, key: str, reports: Reports
    ) -> None:
        expired = store.set_expired(key)
        store.set(key, {})
        assert store.delete(key)
        assert store.cleanup_expired() == 1
        assert [report.created_at for report in reports.of(key)] == [expired.created_at]

    def test_deleting_an_expired_session_does_not_keep_it_from_being_reported(
        self, store: Store, key: str, reports: Reports
    ) -> None:
        store.set_expired(key)
        assert store.delete(key) is False
        assert store.cleanup_expired() == 1
        assert len(reports.of(key)) == 1
