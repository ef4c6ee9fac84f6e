"""Tells whether the index was lost between two looks: flushed, gone with a restart, or evicted in parts. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from djust.monitoring.memo import Memo, ShardMemo
from djust.state_backend.monitor import ShardLook


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """What is known of a server's time between the two looks."""

    node: str
    #: ``None``: it did not say who it is.
    restarted: bool | None
    #: Keys that it evicted; ``None``: not known.
    evicted: int | None
    #: Its policy lets it evict keys without a time to live, as the index is; ``None``: not known.
    may_evict_index: bool | None
    #: Its counters began again, as after CONFIG RESETSTAT.
    reset: bool = False
    #: Its memory is full, or nearly: not as after a flush.
    full: bool = False


@dataclass(slots=True)
class Verdict:
    """What happened to the index on one server."""

    #: ``"flushed"``, ``"restart"``, ``"evicted"`` or ``"unknown"``: everything is gone; ``None``: it is not.
    gone: str | None = None
    #: Live sessions of the last look that are gone with it, as an estimate.
    sessions: int = 0
    #: Shards whose index was lost while their data may still be there.
    lost_shards: list[int] = field(default_factory=list)
    #: Seconds by which the server's data went back in time, as after a restart from an older snapshot.
    rolled_back_seconds: float | None = None


def judge(
    memo: Memo,
    looks: Sequence[ShardLook],
    change: NodeChange,
    elapsed_seconds: float,
    holds_older: Callable[[Sequence[int]], Sequence[int]],
) -> Verdict:
    """Compare one server's shards with what they were.

    A mark that is gone says that a shard's index was touched by something else than djust. Whether it was emptied is
    told by its entries: none is older than the look before. All shards at once: a flush, or a restart without data.
    Some of them: evictions.

    Args:
        memo: Of the look before.
        looks: At the shards of this server.
        change: What is known of the server.
        elapsed_seconds: Since the look before, by the server's clock. What expired meanwhile was not lost.
        holds_older: Asks of which of some shards data from before the last look is still there that the index does not
            know. Asked only where the index may have been evicted and may have been flushed.
    """
    remembered = {look.shard: memo.shards[look.shard] for look in looks if look.shard in memo.shards}
    alive = {number: shard.alive_after(elapsed_seconds) for number, shard in remembered.items()}
    unmarked = [look for look in looks if look.shard in remembered and _name(look) != remembered[look.shard].mark]
    emptied = [look.shard for look in unmarked if alive[look.shard] and not look.has_older]
    verdict = Verdict(lost_shards=[look.shard for look in looks if look.incomplete])
    evicting = change.may_evict_index is not False and change.evicted != 0 and not change.restarted
    if not emptied:
        if change.evicted and change.may_evict_index:
            verdict.lost_shards = sorted({*verdict.lost_shards, *_evicted(looks, alive, holds_older)})
        verdict.rolled_back_seconds = _rolled_back(looks, remembered)
        if verdict.rolled_back_seconds is not None:
            verdict.sessions = max(0, sum(alive.values()) - sum(look.sessions for look in looks))
        return verdict
    held = [number for number, sessions in alive.items() if sessions]
    everything = len(unmarked) == len(remembered) and len(emptied) == len(held)
    if everything and not (evicting and holds_older(emptied)):
        verdict.gone = _cause(change, may_have_evicted=evicting)
        verdict.sessions = sum(alive.values())
    else:
        verdict.lost_shards = sorted({*verdict.lost_shards, *emptied})
    return verdict


def _evicted(
    looks: Sequence[ShardLook], alive: Mapping[int, int], holds_older: Callable[[Sequence[int]], Sequence[int]]
) -> Sequence[int]:
    """Return the shards whose entries were evicted though the mark, which is a key of its own, was not."""
    suspects = [look.shard for look in looks if alive.get(look.shard) and not look.has_older]
    return holds_older(suspects) if suspects else ()


def _cause(change: NodeChange, *, may_have_evicted: bool) -> str:
    if change.restarted is None:
        return "unknown"
    if change.restarted:
        return "restart"
    return "evicted" if may_have_evicted and change.full else "flushed"


def remember(looks: Sequence[ShardLook]) -> dict[int, ShardMemo]:
    """Return what the next look is to compare with: every shard in which a mark was left."""
    memos = {}
    for look in looks:
        name, milliseconds = _mark(look.left)
        if name:
            memos[look.shard] = ShardMemo(name, milliseconds, list(look.ahead))
    return memos


def _mark(text: str | None) -> tuple[str, int]:
    name, _, milliseconds = (text or "").partition(" ")
    return name, int(milliseconds or 0)


def _name(look: ShardLook) -> str:
    return _mark(look.mark)[0]


def _rolled_back(looks: Sequence[ShardLook], remembered: Mapping[int, ShardMemo]) -> float | None:
    """Return by how much the marks are older than they were when they were left; ``None`` if they are not."""
    back = [
        remembered[look.shard].marked_ms - _mark(look.mark)[1]
        for look in looks
        if look.shard in remembered and look.mark is not None and _name(look) == remembered[look.shard].mark
    ]
    return max(back) / 1000 if back and max(back) > 0 else None
