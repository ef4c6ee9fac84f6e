"""What one check leaves for the next: in the database, written by one worker at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import F
from django.utils import timezone

from djust.database import DATABASE_ERRORS, read, unavailable, write
from djust.models import MonitorState


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
    sessions: int = 0


@dataclass(slots=True)
class WalkMemo:
    """How far the walk that looks for lost sessions has come."""

    #: Where to go on; ``None``: at the beginning.
    cursor: str | None = None
    #: Shards still to visit before everything was looked at once more.
    shards_left: int = 0
    #: Something was evicted since the shards that are left were looked at.
    pressing: bool = False


@dataclass(slots=True)
class Memo:
    """All that a check remembers of one store."""

    #: When the look was, by the server's clock.
    looked_ms: int = 0
    #: When it was, in seconds since the epoch, by the worker's clock.
    checked_at: float = 0.0
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


def save(store: str, memo: Memo) -> bool:
    """Remember it; return False if another worker was first, or the database is away."""
    data = asdict(memo)
    del data["revision"]
    saved = []

    def action() -> None:
        MonitorState.objects.get_or_create(store=store)
        row = MonitorState.objects.filter(store=store, revision=memo.revision)
        saved.append(row.update(data=data, revision=F("revision") + 1, updated_at=timezone.now()))

    return write(MonitorState, action) and bool(saved[-1])


def _from_dict(data: Mapping[str, Any]) -> Memo:
    plain = {name: data[name] for name in ("looked_ms", "checked_at") if name in data}
    return Memo(
        **plain,
        nodes={name: NodeMemo(**node) for name, node in data.get("nodes", {}).items()},
        # JSON knows only texts as names.
        shards={int(number): ShardMemo(**shard) for number, shard in data.get("shards", {}).items()},
        walk=WalkMemo(**data.get("walk", {})),
        lost_shards={int(number): since for number, since in data.get("lost_shards", {}).items()},
    )
