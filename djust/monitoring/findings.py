"""What one check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from djust.monitoring.walk import WalkCount
from djust.state_backend.monitor import ServerInfo
from djust.tally import LossTally


@dataclass(slots=True)
class Findings:
    """Filled while a check goes on, so that what was found is known also when the store goes away."""

    tally: LossTally
    walked: WalkCount = field(default_factory=WalkCount)
    infos: Sequence[ServerInfo] = ()
    #: Server: keys evicted since the check before; ``None``: not known.
    evicted: dict[str, int | None] = field(default_factory=dict)
    #: Shards whose index is lost, by server; every server that was asked.
    index_lost: dict[str, list[int]] = field(default_factory=dict)
    #: Of those, found by this check.
    index_newly_lost: list[int] = field(default_factory=list)
    #: Server: why it says nothing about itself.
    refused: dict[str, str] = field(default_factory=dict)
    #: When the check before was; ``None``: there was none, or the database is away.
    previous_at: datetime | None = None
