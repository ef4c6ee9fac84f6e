"""What one check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from djust.monitoring.losses import LossRecorder
from djust.monitoring.walk import WalkCount
from djust.state_backend.monitor import ServerInfo
from djust.tally import LossTally


@dataclass(slots=True)
class Findings:
    """Filled while a check goes on, so that what was found is known also when the store goes away."""

    tally: LossTally
    recorder: LossRecorder
    walked: WalkCount = field(default_factory=WalkCount)
    infos: Sequence[ServerInfo] = ()
    #: Server: keys evicted since the check before; ``None``: not known.
    evicted: dict[str, int | None] = field(default_factory=dict)
    #: Server: shards whose index is lost; every server that was asked. Empty if another worker has looked.
    index_lost: dict[str, int] = field(default_factory=dict)
    #: A reconcile should rebuild the index.
    rebuild: bool = False
