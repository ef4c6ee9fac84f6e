"""What one check leaves for the next: in the database, written by one worker at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import F
from django.utils import timezone

from djust.database import DATABASE_ERRORS, read, unavailable, write
from djust.models import MonitorState
from djust.state_backend.monitor import HORIZONS_SECONDS


@dataclass(slots=True)
class NodeMemo:
    """What a server's counters were."""

    run_id: str = ""
    #: ``None``: it did not say.
    evicted_keys: int | None = None


@dataclass(slots=True)
class ShardMemo:
    """What a part of the index was like."""

    #: Name and time of the mark that was left in it.
    mark: str = ""
    marked_ms: int = 0
    #: Live sessions whose time ends later than each of ``HORIZONS_SECONDS`` from then.
    ahead: list[int] = field(default_factory=list)

    def alive_after(self, seconds: float) -> int:
        """Return how many of the sessions are still to live that long after, at least."""
        later = (count for horizon, count in zip(HORIZONS_SECONDS, self.ahead, strict=False) if horizon >= seconds)
        return next(later, self.ahead[-1] if self.ahead else 0)


@dataclass(slots=True)
class WalkMemo:
    """How far the walk that looks for lost sessions has come."""

    #: Where to go on; ``None``: at the beginning.
    cursor: str | None = None
    #: Shards still to visit before everything was looked at once more.
    shards_left: int = 0
    #: Something was evicted since the shards that are left were looked at.
    pressing: bool = False
    #: Servers that have evicted since the last whole walk; ``None``: not known, as after a restart.
    evicted: dict[str, bool | None] = field(default_factory=dict)


@dataclass(slots=True)
class Memo:
    """All that a check remembers of one store."""

    #: When the look was, by the server's clock.
    looked_ms: int = 0
    #: When a reconcile was last asked for, in seconds since the epoch by the worker's clock.
    rebuild_asked_at: float = 0.0
    nodes: dict[str, NodeMemo] = field(default_factory=dict)
    shards: dict[int, ShardMemo] = field(default_factory=dict)
    walk: WalkMemo = field(default_factory=WalkMemo)
    #: Shard: when its loss was noticed, in seconds since the epoch. Until a reconcile has rebuilt it.
    lost_shards: dict[int, float] = field(default_factory=dict)
    #: Counts the writes.
    revision: int = 0


def load(store: str) -> Memo:
    """Return what is remembered of a store; nothing if the database is away."""
    try:
        row = read(MonitorState, lambda: MonitorState.objects.filter(store=store).first())
    except DATABASE_ERRORS as error:
        unavailable(error)
        row = None
    if row is None:
        return Memo()
    memo = _from_dict(row.data)
    memo.revision = row.revision
    return memo


def save(store: str, memo: Memo, *, also: Callable[[], object] = lambda: None) -> bool:
    """Remember it; return False if another worker was first, or the database is away.

    Args:
        store: Which.
        memo: What to remember; its revision goes up with it.
        also: Done in the same transaction, so that what was noticed is kept or will be noticed again.
    """
    data = asdict(memo)
    del data["revision"]
    late = []

    def action() -> None:
        # The first statement writes, so that SQLite waits for its turn instead of refusing.
        row = MonitorState.objects.filter(store=store, revision=memo.revision)
        if not row.update(data=data, revision=F("revision") + 1, updated_at=timezone.now()):
            made = not memo.revision and not MonitorState.objects.filter(store=store).exists()
            if not made:
                late.append(store)
                return
            MonitorState.objects.create(store=store, data=data, revision=1)
        also()

    if not write(MonitorState, action) or late:
        return False
    memo.revision += 1
    return True


def _from_dict(data: Mapping[str, Any]) -> Memo:
    plain = {name: data[name] for name in ("looked_ms", "rebuild_asked_at") if name in data}
    return Memo(
        **plain,
        nodes={name: NodeMemo(**node) for name, node in data.get("nodes", {}).items()},
        # JSON knows only texts as names.
        shards={int(number): ShardMemo(**shard) for number, shard in data.get("shards", {}).items()},
        walk=WalkMemo(**data.get("walk", {})),
        lost_shards={int(number): since for number, since in data.get("lost_shards", {}).items()},
    )
