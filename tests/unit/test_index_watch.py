"""What the marks, the entries and the server's counters say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from djust.monitoring.index_watch import NodeChange, Verdict, judge
from djust.monitoring.memo import Memo, ShardMemo
from djust.state_backend.monitor import HORIZONS_SECONDS, ShardLook

#: Ten sessions in each of four shards; all but one live for at least a day.
AHEAD = [*(10 for _ in HORIZONS_SECONDS[:-1]), 9]
MEMO = Memo(looked_ms=1_000_000, shards={number: ShardMemo(f"m{number}", 1_000_000, AHEAD) for number in range(4)})


def look(number: int, **facts: Any) -> ShardLook:
    """Return a shard as it was left, but for some facts."""
    usual: dict[str, Any] = {
        "mark": f"m{number} 1000000",
        "left": f"m{number} 1060000",
        "sessions": 10,
        "overdue": 0,
        "has_older": True,
        "incomplete": False,
    }
    return ShardLook(shard=number, node="one", **{**usual, **facts})


def change(**facts: Any) -> NodeChange:
    """Return a server that is as it was, but for some facts."""
    usual: dict[str, Any] = {"restarted": False, "evicted": 0, "may_evict_index": False}
    return NodeChange(node="one", **{**usual, **facts})


def never_asked(_: Sequence[int]) -> Sequence[int]:
    raise AssertionError("Nobody need search the data.")


def verdict(
    looks: Sequence[ShardLook],
    changed: NodeChange,
    *,
    elapsed: float = 60,
    older: Callable[[Sequence[int]], Sequence[int]] = never_asked,
) -> Verdict:
    return judge(MEMO, looks, changed, elapsed, older)


EMPTY: dict[str, Any] = {"mark": None, "sessions": 0, "has_older": False}
ALL_EMPTY = [look(number, **EMPTY) for number in range(4)]


def test_nothing_happened() -> None:
    assert verdict([look(number) for number in range(4)], change()) == Verdict()


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        (change(), "flushed"),
        (change(restarted=True, evicted=None), "restart"),
        (change(restarted=None, evicted=None), "unknown"),
    ],
)
def test_everything_is_gone(changed: NodeChange, cause: str) -> None:
    found = verdict(ALL_EMPTY, changed)
    assert (found.gone, found.sessions, found.lost_shards) == (cause, 40, [])


def test_new_sessions_do_not_hide_a_flush() -> None:
    looks = [look(number, mark="new 1050000", has_older=False) for number in range(4)]
    assert verdict(looks, change()).gone == "flushed"


def test_what_has_expired_since_is_not_lost() -> None:
    assert verdict(ALL_EMPTY, change(), elapsed=7 * 86_400).sessions == 36


def test_a_mark_that_is_gone_while_the_entries_stand_says_nothing() -> None:
    looks = [look(number, mark=mark) for number, mark in enumerate((None, "other 1050000", None, None))]
    assert verdict(looks, change(evicted=3, may_evict_index=True)) == Verdict()


def test_some_shards_are_lost_to_evictions() -> None:
    looks = [look(0, **EMPTY), look(1, **EMPTY), look(2), look(3, incomplete=True)]
    found = verdict(looks, change(evicted=5, may_evict_index=True))
    assert (found.gone, found.lost_shards) == (None, [0, 1, 3])


@pytest.mark.parametrize(
    ("older", "full", "cause"), [(True, True, None), (False, True, "evicted"), (False, False, "flushed")]
)
def test_a_cache_that_evicts_its_index_is_no_flush(older: bool, full: bool, cause: str | None) -> None:
    changed = change(evicted=900, may_evict_index=True, full=full)
    found = verdict(ALL_EMPTY, changed, older=lambda shards: shards if older else ())
    assert found.gone == cause
    assert found.lost_shards == ([0, 1, 2, 3] if older else [])


@pytest.mark.parametrize("older", [True, False])
def test_entries_may_be_evicted_beside_a_mark_that_is_not(older: bool) -> None:
    looks = [look(0, sessions=0, has_older=False), look(1), look(2), look(3)]
    found = verdict(looks, change(evicted=5, may_evict_index=True), older=lambda shards: shards if older else ())
    assert found.lost_shards == ([0] if older else [])


def test_a_server_that_went_back_in_time() -> None:
    looks = [look(number, mark=f"m{number} 700000", sessions=7) for number in range(4)]
    found = verdict(looks, change(restarted=True, evicted=None))
    assert (found.gone, found.rolled_back_seconds, found.sessions) == (None, 300, 12)


def test_a_shard_without_a_mark_is_not_judged() -> None:
    found = judge(Memo(looked_ms=1), [look(0, **EMPTY)], change(), 60, never_asked)
    assert found == Verdict()
