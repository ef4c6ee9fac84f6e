"""Looks at the servers and the index, and finds the sessions that were lost since the last look."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from djust import totals
from djust.conf import get_config
from djust.database import DATABASE_ERRORS, read, unavailable
from djust.log import logger
from djust.models import MaintenanceRun, MemorySample
from djust.monitoring import memo as memos
from djust.monitoring.findings import Findings
from djust.monitoring.index_watch import NodeChange, Verdict, judge, remember
from djust.monitoring.memo import Memo, NodeMemo
from djust.monitoring.walk import SHARDS, walk
from djust.state_backend.base import StateBackend
from djust.state_backend.monitor import ServerInfo, ShardLook, StoreMonitor

#: Age up to which the estimate of a sample can send a walk on its way.
ESTIMATE_AGE = timedelta(minutes=5)
#: Seconds that a walk may take whatever the settings say: the rest of a check has to fit into the task's time limit.
LONGEST_WALK_SECONDS = 15.0
#: Seconds after which a reconcile is asked for once more while the index is not rebuilt.
ASK_AGAIN_SECONDS = 600.0
#: Usage of the memory from which a server counts as full.
FULL = 0.9


@dataclass(slots=True)
class _Judged:
    """What a look told, before it is known whether another worker has told the same."""

    changes: Mapping[str, NodeChange]
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    index_lost: dict[str, int] = field(default_factory=dict)


def find_losses(backend: StateBackend, monitor: StoreMonitor, findings: Findings, *, trigger: str) -> None:
    """Look at the servers and the index, walk, report, and remember. Fills ``findings`` as it goes.

    Raises:
        BackendError: The store went away, or refused something. What had been found by then is recorded.
    """
    memo = memos.load(monitor.store)
    try:
        findings.infos = monitor.server_info()
        _look(backend, monitor, memo, findings, trigger)
        # Whoever claims a lost session reports it, so several workers may walk at once.
        budget = min(get_config().loss_walk_seconds, LONGEST_WALK_SECONDS)
        walk(backend, monitor, memo.walk, findings.tally, findings.walked, budget)
        if findings.walked.complete:
            memo.walk.pressing = False
            memo.walk.evicted = dict.fromkeys(memo.walk.evicted, False)
        memos.save(monitor.store, memo)
    finally:
        findings.tally.keep()
        findings.recorder.log(findings.tally)


def _look(backend: StateBackend, monitor: StoreMonitor, memo: Memo, findings: Findings, trigger: str) -> None:
    """Judge what changed since the last look, and report it if no other worker has."""
    now_ms = monitor.now_ms()
    left = {number: shard.mark for number, shard in memo.shards.items()}
    changes = {info.node: _change(info, memo.nodes.get(info.node)) for info in findings.infos}
    thorough = any(change.evicted and change.may_evict_index for change in changes.values())
    looks = monitor.look(os.urandom(6).hex(), memo.looked_ms, left, thorough=thorough)
    judged = _judge(monitor, memo, looks, changes, (now_ms - memo.looked_ms) / 1000)
    if any(change.evicted for change in judged.changes.values()) or _is_estimated():
        memo.walk.pressing, memo.walk.shards_left = True, SHARDS
    rebuild = bool(memo.lost_shards) and time.time() - memo.rebuild_asked_at >= ASK_AGAIN_SECONDS
    if rebuild:
        memo.rebuild_asked_at = time.time()
    _remember(memo, looks, findings.infos, judged, now_ms)

    estimates = {
        (node, verdict.gone or "restart"): verdict.sessions
        for node, verdict in judged.verdicts.items()
        if verdict.sessions
    }
    evicted = sum(change.evicted or 0 for change in changes.values())

    def write_down() -> None:
        findings.recorder.write_estimates(estimates)
        totals.add(totals.EVICTED_KEYS, evicted)

    # Together, so that what was noticed is written down, or is noticed again.
    if not memos.save(monitor.store, memo, also=write_down):
        # Another worker has looked since, and reports; or nobody can tell what was reported already.
        return
    findings.rebuild = rebuild
    findings.index_lost = judged.index_lost
    for (node, cause), sessions in estimates.items():
        findings.tally.add_estimate(node, cause, sessions)
    findings.recorder.wrote(findings.tally)
    _report(backend, judged, findings, trigger)


def _report(backend: StateBackend, judged: _Judged, findings: Findings, trigger: str) -> None:
    for node, change in judged.changes.items():
        findings.evicted[node] = change.evicted
        if change.evicted:
            logger.warning("keys_evicted", backend=backend.name, trigger=trigger, node=node, evicted=change.evicted)
    for node, verdict in judged.verdicts.items():
        if verdict.rolled_back_seconds is not None:
            seconds = verdict.rolled_back_seconds
            logger.error("store_rolled_back", node=node, seconds=seconds, sessions=verdict.sessions)


def _judge(
    monitor: StoreMonitor,
    memo: Memo,
    looks: Sequence[ShardLook],
    changes: Mapping[str, NodeChange],
    elapsed_seconds: float,
) -> _Judged:
    judged = _Judged(changes)
    rebuilt = _rebuilt_at() if memo.lost_shards else None
    for node, change in changes.items():
        own = [look for look in looks if look.node == node]
        verdict = judge(memo, own, change, elapsed_seconds, lambda shards: monitor.holds_older(shards, memo.looked_ms))
        _update_lost_shards(memo, own, verdict, rebuilt)
        judged.verdicts[node] = verdict
        judged.index_lost[node] = sum(look.shard in memo.lost_shards for look in own)
    return judged


def _change(info: ServerInfo, before: NodeMemo | None) -> NodeChange:
    """Compare what a server says with what it said; counters of another life of the server say nothing."""
    run_id, evicted = str(info.fields.get("run_id", "")), _number(info.fields, "evicted_keys")
    restarted = None if not run_id or before is None or not before.run_id else before.run_id != run_id
    delta, reset = None, False
    if evicted is not None and before is not None and before.evicted_keys is not None and restarted is False:
        # After CONFIG RESETSTAT the counter is lower than it was: what it shows now was evicted since.
        reset = evicted < before.evicted_keys
        delta = evicted if reset else evicted - before.evicted_keys
    policy, limit = info.fields.get("maxmemory_policy"), _number(info.fields, "maxmemory")
    return NodeChange(
        node=info.node,
        restarted=restarted,
        evicted=delta,
        reset=reset,
        may_evict_index=None if policy is None else str(policy).startswith("allkeys"),
        full=bool(limit) and (_number(info.fields, "used_memory") or 0) >= (limit or 0) * FULL,
    )


def _number(fields: Mapping[str, object], name: str) -> int | None:
    value = fields.get(name)
    return None if value is None or int(str(value)) < 0 else int(str(value))


def _update_lost_shards(memo: Memo, looks: Sequence[ShardLook], verdict: Verdict, rebuilt_at: datetime | None) -> None:
    if verdict.gone:
        # There is nothing left that a reconcile could find.
        for look in looks:
            memo.lost_shards.pop(look.shard, None)
        return
    for look in looks:
        since = memo.lost_shards.get(look.shard)
        if since is not None and rebuilt_at is not None and rebuilt_at.timestamp() > since and not look.incomplete:
            del memo.lost_shards[look.shard]
    for number in verdict.lost_shards:
        memo.lost_shards.setdefault(number, time.time())


def _rebuilt_at() -> datetime | None:
    """Return when the last reconcile began that looked at everything and indexed all that it found."""
    runs = MaintenanceRun.objects.filter(task=MaintenanceRun.Task.RECONCILE, outcome=MaintenanceRun.Outcome.DONE)
    try:
        run = read(MaintenanceRun, runs.first)
    except DATABASE_ERRORS as error:
        unavailable(error)
        return None
    if run is None:
        return None
    kind = "data_without_index"
    found, repaired = (run.figures.get(name) or {} for name in ("found", "repaired"))
    return run.started_at if found.get(kind) == repaired.get(kind) else None


def _is_estimated() -> bool:
    """Whether the last samples saw lost sessions, so that the walk should see everything soon."""
    rows = MemorySample.objects.filter(sampled_at__gte=timezone.now() - ESTIMATE_AGE, lost_estimate__gt=0)
    try:
        return read(MemorySample, rows.exists)
    except DATABASE_ERRORS as error:
        unavailable(error)
        return False


def _remember(
    memo: Memo, looks: Sequence[ShardLook], infos: Sequence[ServerInfo], judged: _Judged, now_ms: int
) -> None:
    memo.looked_ms = now_ms
    # Of a server that said nothing, as in the middle of a failover, the next look judges what this one could not.
    asked = [look for look in looks if look.node in judged.changes]
    kept = {look.shard: memo.shards[look.shard] for look in looks if look not in asked and look.shard in memo.shards}
    memo.shards = {**kept, **remember(asked)}
    memo.nodes = {
        info.node: NodeMemo(str(info.fields.get("run_id", "")), _number(info.fields, "evicted_keys")) for info in infos
    }
    evicted = memo.walk.evicted
    memo.walk.evicted = {
        node: _has_evicted(evicted.get(node, None if change.evicted is None else False), change)
        for node, change in judged.changes.items()
    }


def _has_evicted(before: bool | None, change: NodeChange) -> bool | None:
    """Return whether a server has evicted since the last whole walk.

    A counter that was reset may hide it. A server that is full is likely to have, whatever its counter says.
    """
    if before or change.evicted:
        return True
    return None if before is None or change.evicted is None or change.reset or change.full else False
