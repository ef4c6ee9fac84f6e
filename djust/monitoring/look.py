"""Looks at the servers and the index, and finds the sessions that were lost since the last look."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from djust import totals
from djust.conf import get_config
from djust.database import DATABASE_ERRORS, read, unavailable
from djust.log import logger
from djust.models import MaintenanceRun, MemorySample
from djust.monitoring import memo as memos
from djust.monitoring.findings import Findings
from djust.monitoring.index_watch import NodeChange, Verdict, judge, remember
from djust.monitoring.losses import record_losses
from djust.monitoring.memo import Memo, NodeMemo
from djust.monitoring.walk import SHARDS, walk
from djust.state_backend.base import StateBackend
from djust.state_backend.monitor import ServerInfo, ShardLook, StoreMonitor

#: Age up to which the estimate of a sample can send a walk on its way.
ESTIMATE_AGE = timedelta(minutes=5)


def find_losses(backend: StateBackend, monitor: StoreMonitor, findings: Findings, *, trigger: str) -> None:
    """Look at the servers and the index, walk, report, and remember. Fills ``findings`` as it goes.

    Raises:
        BackendUnavailable: The store went away. What had been found by then is recorded.
    """
    memo = memos.load(monitor.store)
    if memo.checked_at:
        findings.previous_at = datetime.fromtimestamp(memo.checked_at, UTC)
    try:
        findings.infos = monitor.server_info()
        now_ms = monitor.now_ms()
        looks = monitor.look(os.urandom(6).hex(), memo.looked_ms)
        estimates = _judge_nodes(monitor, memo, looks, findings)
        if _must_press(findings):
            memo.walk.pressing, memo.walk.shards_left = True, SHARDS
        _remember(memo, looks, findings, now_ms)
        if memos.save(monitor.store, memo):
            memo.revision += 1
            for node, verdict in estimates.items():
                _report_verdict(findings, node, verdict)
        # Whoever claims a lost session reports it, so several workers may walk at once.
        walk(backend, monitor, memo.walk, findings.tally, findings.walked, get_config().loss_walk_seconds)
        if findings.walked.complete:
            memo.walk.pressing = False
        memos.save(monitor.store, memo)
    finally:
        record_losses(findings.tally.found, trigger=trigger)
        for node, count in findings.evicted.items():
            if count:
                totals.add(totals.EVICTED_KEYS, count)
                logger.warning("keys_evicted", backend=backend.name, trigger=trigger, node=node, evicted=count)


def _judge_nodes(
    monitor: StoreMonitor, memo: Memo, looks: Sequence[ShardLook], findings: Findings
) -> dict[str, Verdict]:
    verdicts = {}
    for info in findings.infos:
        change = _change(info, memo.nodes.get(info.node))
        findings.evicted[info.node] = change.evicted
        if info.refused:
            findings.refused[info.node] = info.refused
        own = [look for look in looks if look.node == info.node]
        verdict = judge(memo, own, change, lambda shards: monitor.holds_older(shards, memo.looked_ms))
        verdicts[info.node] = verdict
        _update_lost_shards(memo, own, verdict, findings)
        findings.index_lost[info.node] = sorted(look.shard for look in own if look.shard in memo.lost_shards)
    return verdicts


def _change(info: ServerInfo, before: NodeMemo | None) -> NodeChange:
    """Compare what a server says with what it said; counters of another life of the server say nothing."""
    run_id, evicted = str(info.fields.get("run_id", "")), _evicted_keys(info)
    restarted = None if not run_id or before is None or not before.run_id else before.run_id != run_id
    delta = None
    if evicted is not None and before is not None and before.evicted_keys is not None and restarted is False:
        # After CONFIG RESETSTAT the counter is lower than it was: what it shows now was evicted since.
        delta = evicted - before.evicted_keys if evicted >= before.evicted_keys else evicted
    policy = info.fields.get("maxmemory_policy")
    return NodeChange(
        node=info.node,
        restarted=restarted,
        evicted=delta,
        may_evict_index=None if policy is None else str(policy).startswith("allkeys"),
    )


def _evicted_keys(info: ServerInfo) -> int | None:
    value = info.fields.get("evicted_keys")
    return None if value is None or int(value) < 0 else int(value)


def _update_lost_shards(memo: Memo, looks: Sequence[ShardLook], verdict: Verdict, findings: Findings) -> None:
    if verdict.gone:
        # There is nothing left that a reconcile could find.
        for look in looks:
            memo.lost_shards.pop(look.shard, None)
        return
    rebuilt = _rebuilt_at() if memo.lost_shards else None
    for look in looks:
        since = memo.lost_shards.get(look.shard)
        if since is not None and rebuilt is not None and rebuilt.timestamp() > since and not look.incomplete:
            del memo.lost_shards[look.shard]
    for number in verdict.lost_shards:
        if number not in memo.lost_shards:
            memo.lost_shards[number] = time.time()
            findings.index_newly_lost.append(number)


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


def _must_press(findings: Findings) -> bool:
    """Whether something points to losses, so that the walk should see everything soon."""
    if any(findings.evicted.values()):
        return True
    since = timezone.now() - ESTIMATE_AGE
    rows = MemorySample.objects.filter(sampled_at__gte=since, lost_estimate__gt=0)
    try:
        return read(MemorySample, rows.exists)
    except DATABASE_ERRORS as error:
        unavailable(error)
        return False


def _remember(memo: Memo, looks: Sequence[ShardLook], findings: Findings, now_ms: int) -> None:
    memo.looked_ms, memo.checked_at = now_ms, time.time()
    memo.shards = remember(looks)
    memo.nodes = {
        info.node: NodeMemo(str(info.fields.get("run_id", "")), _evicted_keys(info)) for info in findings.infos
    }


def _report_verdict(findings: Findings, node: str, verdict: Verdict) -> None:
    if verdict.rolled_back_seconds is not None:
        logger.error("store_rolled_back", node=node, seconds=verdict.rolled_back_seconds, sessions=verdict.sessions)
    if verdict.sessions:
        findings.tally.add_estimate(node, verdict.gone or "restart", verdict.sessions)
