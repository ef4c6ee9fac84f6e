"""Many sessions at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from djust.exceptions import InvalidArgument
from djust.state_backend.base import StateBackend
from djust.state_backend.records import SessionInfo
from djust.testing.support import MakeBackend, Reports, Store, eventually


class ManyContract:
    """Owners, lists and figures."""

    def test_the_sessions_of_an_owner_end_together(self, store: Store, key: str, reports: Reports) -> None:
        for number in range(5):
            store.set(f"{key} {number}", {}, owner="someone")
        store.set(f"{key} other", {}, owner="another")
        store.set(f"{key} none", {})
        assert store.delete_owner("someone") == 5
        assert store.delete_owner("someone") == 0
        assert {info.key for info in store.sessions()} == {f"{key} other", f"{key} none"}
        assert store.cleanup_expired() == 0
        assert len(reports) == 0

    def test_an_expired_session_of_an_owner_is_not_counted_but_reported(
        self, store: Store, key: str, reports: Reports
    ) -> None:
        store.set(f"{key} live", {}, owner="someone")
        store.set_expired(key, owner="someone")
        assert store.delete_owner("someone") == 1
        assert store.cleanup_expired() == 1
        assert [report.owner for report in reports.of(key)] == ["someone"]

    def test_an_owner_without_sessions_has_none_to_end(self, store: Store) -> None:
        assert store.delete_owner("nobody") == 0

    def test_everything_can_be_deleted(self, store: Store, key: str, reports: Reports) -> None:
        for number in range(5):
            store.set(f"{key} {number}", {}, owner="someone")
        store.set(f"{key} never", {}, 0)
        store.set_expired(key)
        assert store.delete_all() == 6
        assert store.delete_all() == 0
        assert store.sessions() == []
        assert store.get_stats()["total_sessions"] == 0
        assert store.delete_owner("someone") == 0
        assert store.cleanup_expired() == 0
        assert len(reports) == 0
        saved = store.set(key, {"again": True})
        assert store.get(key) == saved

    # Lists

    def test_live_sessions_are_listed_without_their_states(self, store: Store, key: str) -> None:
        first = store.set(f"{key} 1", {"a": 1}, 60, owner="someone", label="kind")
        second = store.set(f"{key} 2", {}, 0)
        store.set_expired(f"{key} expired")
        store.set(f"{key} deleted", {})
        store.delete(f"{key} deleted")
        expected = [
            SessionInfo(
                key=session.key,
                owner=session.owner,
                label=session.label,
                created_at=session.created_at,
                last_active_at=session.last_active_at,
                expires_at=session.expires_at,
            )
            for session in (first, second)
        ]
        assert sorted(store.sessions(), key=lambda info: info.key) == expected

    def test_the_list_can_be_narrowed(self, store: Store, key: str) -> None:
        for owner in ("a", "b", None):
            for label in ("x", "y", None):
                store.set(f"{key} {owner} {label}", {}, owner=owner, label=label)
        assert len(store.sessions()) == 9
        assert {info.key for info in store.sessions(owner="a")} == {f"{key} a x", f"{key} a y", f"{key} a None"}
        assert {info.key for info in store.sessions(label="y")} == {f"{key} a y", f"{key} b y", f"{key} None y"}
        assert [info.key for info in store.sessions(owner="b", label="x")] == [f"{key} b x"]
        assert store.sessions(owner="nobody") == []

    @pytest.mark.parametrize("page_size", [1, 7, 500])
    def test_a_list_of_many_pages_has_every_session(self, store: Store, key: str, page_size: int) -> None:
        keys = {f"{key} {number}" for number in range(40)}
        for name in keys:
            store.set(name, {})
        assert {info.key for info in store.sessions(page_size=page_size)} == keys

    def test_a_session_that_lives_all_the_time_is_listed_while_others_come_and_go(
        self, store: Store, backend: StateBackend, key: str
    ) -> None:
        kept = {f"{key} kept {number}" for number in range(30)}
        for name in kept:
            store.set(name, {})
        for number in range(30):
            store.set(f"{key} passing {number}", {})
        pages: Iterator[SessionInfo] = backend.iter_sessions(page_size=5)
        seen = {next(pages).key}
        for number, info in enumerate(pages):
            seen.add(info.key)
            store.delete(f"{key} passing {number}")
            if number < 30:
                store.set(f"{key} new {number}", {})
                store.touch(sorted(kept)[number])
        assert kept <= seen

    def test_pages_have_every_session_once_and_cursors_no_key(self, store: Store, key: str) -> None:
        keys = [f"{key} {number}" for number in range(40)]
        for number, name in enumerate(keys):
            store.set(name, {}, owner=f"o{number % 2}", label=f"l{number % 4}")
        store.set_expired(f"{key} expired", owner="o1", label="l1")
        for options, expected in (
            ({}, keys),
            ({"owner": "o1"}, keys[1::2]),
            ({"label": "l1"}, keys[1::4]),
            ({"owner": "o1", "label": "l1"}, keys[1::4]),
            ({"owner": "o1", "label": "l2"}, []),
        ):
            pages = store.pages(size=7, **options)
            assert sorted(info.key for page in pages for info in page.sessions) == sorted(expected)
            assert not [page.cursor for page in pages if page.cursor and key in page.cursor]
        assert len(store.pages(size=7)) > 3
        assert sum(page.looked_at for page in store.pages(size=7)) >= len(keys)
        by_key = {info.key: info for info in store.sessions()}
        assert all(by_key[info.key] == info for page in store.pages(size=7) for info in page.sessions)

    @pytest.mark.parametrize("cursor", ["x", "-1", "", "9" * 30, "d99:0"])
    def test_what_is_no_cursor_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(InvalidArgument):
            store.page(cursor)

    def test_sizes_grow_with_the_states(self, store: Store, key: str) -> None:
        store.set(f"{key} small", {})
        store.set(f"{key} large", {"bytes": os.urandom(5000)})
        small, gone, large = store.sizes([f"{key} small", f"{key} gone", f"{key} large"])
        assert gone is None
        assert store.sizes([]) == []
        # A backend need not know, but what it says has to be true.
        assert (small is None and large is None) or (small is not None and large is not None and large > small + 4000)

    # Figures

    def test_the_figures_of_an_empty_store(self, store: Store, backend: StateBackend) -> None:
        stats = store.get_stats()
        assert stats["backend"] == backend.name
        assert (stats["total_sessions"], stats["overdue_sessions"]) == (0, 0)
        assert (stats["oldest_session_age"], stats["newest_session_age"], stats["average_age"]) == (None, None, None)
        memory = store.get_memory_stats()
        assert (memory["total_state_bytes"], memory["average_state_bytes"], memory["sessions_sampled"]) == (0, 0, 0)
        assert (memory["largest_sessions"], memory["confidence"]) == ([], 0)

    def test_an_overdue_session_is_never_counted(self, store: Store, key: str) -> None:
        store.set(f"{key} live", {})
        store.set(f"{key} never", {}, 0)
        store.set_expired(key)
        stats = store.get_stats()
        assert (stats["total_sessions"], stats["overdue_sessions"]) == (2, 1)
        store.cleanup_expired()
        stats = store.get_stats()
        assert (stats["total_sessions"], stats["overdue_sessions"]) == (2, 0)

    def test_ages_count_from_the_last_activity(self, store: Store, key: str) -> None:
        started = datetime.now(UTC)
        store.set(f"{key} old", {})
        store.set(f"{key} never", {}, 0)
        since = store.live(f"{key} old").last_active_at
        eventually(lambda: (datetime.now(UTC) - since).total_seconds() > 0.1)
        store.set(f"{key} touched", {})
        store.touch(f"{key} touched")
        stats = store.get_stats()
        most = (datetime.now(UTC) - started).total_seconds() + 0.01
        oldest, average, newest = (stats[name] for name in ("oldest_session_age", "average_age", "newest_session_age"))
        assert 0 <= newest <= average <= oldest <= most
        assert oldest >= 0.1
        assert oldest - newest >= 0.08
        assert oldest / 2 < average < oldest

    def test_the_figures_say_when_the_store_was_looked_at(self, store: Store, key: str) -> None:
        store.set(key, {})
        before = datetime.now(UTC)
        verified_at = store.get_stats()["verified_at"]
        assert abs((verified_at - before).total_seconds()) < 60

    def test_memory_is_what_the_states_take(self, store: Store, key: str) -> None:
        for number in range(20):
            store.set(f"{key} {number}", {"text": f"{number:02}" * 50})
        store.set(f"{key} large", {"bytes": bytes(range(256)) * 4})
        store.set_expired(f"{key} expired", {"bytes": bytes(100_000)})
        memory = store.get_memory_stats()
        assert (memory["sessions_sampled"], memory["confidence"]) == (21, 0)
        assert memory["total_state_bytes"] >= 20 * 50
        assert memory["total_state_bytes"] < 50_000
        assert memory["average_state_bytes"] == pytest.approx(memory["total_state_bytes"] / 21, abs=1)
        largest = memory["largest_sessions"]
        assert largest[0]["key"] == f"{key} large"
        sizes = [entry["bytes"] for entry in largest]
        assert sizes == sorted(sizes, reverse=True)

    def test_a_store_that_answers_is_healthy(self, store: Store) -> None:
        health = store.health_check()
        assert health["status"] == "healthy"
        assert health["error"] is None
        assert health["latency_ms"] >= 0

    def test_a_closed_backend_can_be_used_again(self, store: Store, backend: StateBackend, key: str) -> None:
        saved = store.set(key, {"a": 1})
        store.close()
        backend.close()
        backend.close()
        assert store.get(key) == saved
        assert store.set(key, {"a": 2}, expected_version=saved.version).state == {"a": 2}

    def test_both_sides_see_the_same_sessions(self, store: Store, backend: StateBackend, key: str) -> None:
        saved = backend.set(key, {"a": 1}, owner="someone")
        assert store.get(key) == saved
        again = store.set(key, {"a": 2}, expected_version=saved.version)
        assert backend.get(key) == again

    def test_two_backends_share_nothing(
        self, store: Store, backend: StateBackend, make_backend: MakeBackend, key: str
    ) -> None:
        store.set(key, {}, owner="someone")
        other = make_backend()
        assert other.get(key) is None
        assert list(other.iter_sessions()) == []
        assert other.delete_owner("someone") == 0
        assert other.delete_all() == 0
        assert store.get(key) is not None
