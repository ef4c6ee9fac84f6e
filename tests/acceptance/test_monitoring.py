"""The worker and beat watch the store: losses, a lost index, alerts and their messages, without anybody's help."""

from __future__ import annotations

import json
from collections.abc import Callable

from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout
from tests.acceptance.conftest import Site
from tests.acceptance.support import SAMPLE, every_second, history, query
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

CHECK = "djust: check evictions"

RULES = {name: {"for_seconds": 0, "clear_seconds": 1} for name in ("evictions", "sessions_lost", "index_lost")}


def alerts(site: Site, rule: str) -> list[str]:
    """Return the states of the alerts of a rule."""
    return [state for (state,) in query(site, "SELECT state FROM djust_alert WHERE rule = ?", rule)]


def losses(site: Site, cause: str) -> int:
    """Return how many sessions were recorded as lost."""
    [(count,)] = query(site, "SELECT coalesce(sum(sessions), 0) FROM djust_sessionloss WHERE cause = ?", cause)
    return int(count)


def test_worker_and_beat_notice_tell_and_repair(
    site: Callable[..., Site], redis_server: Callable[..., RedisServer]
) -> None:
    state = redis_server()
    made = site(state=state, SESSION_TTL="3600", ALERT_RULES=json.dumps(RULES))
    every_second(made, CHECK, SAMPLE)
    backend = RedisStateBackend(state.url)
    for number in range(300):
        backend.set(f"session-{number}", {"text": "x" * 100}, owner=number % 10, label="shop.views.Cart")
    # Two workers, so that they get into each other's way.
    made.worker(concurrency=1)
    made.worker(concurrency=1)
    made.beat()
    wait_until(lambda: history(made, task="check_evictions", outcome="done"), timeout=60, what="the first check")

    # Sessions whose data is gone, as after an eviction.
    with state.client() as client:
        client.unlink(*list(client.scan_iter("djust:*:s:*"))[:40])
    wait_until(lambda: losses(made, "unknown") == 40, what="the losses to be found")
    wait_until(lambda: alerts(made, "sessions_lost") == ["firing"], what="the alert")
    wait_until(lambda: alerts(made, "sessions_lost") == ["resolved"], what="the alert to be over")

    # A part of the index goes: a reconcile is asked for and rebuilds it.
    shard = Layout("djust:").shards[7]
    held = len(list(backend.iter_sessions()))
    with state.client() as client:
        client.unlink(shard.due)
    wait_until(lambda: alerts(made, "index_lost"), what="the lost index to be noticed")
    wait_until(lambda: history(made, task="reconcile", outcome="done"), what="the reconcile")
    wait_until(lambda: alerts(made, "index_lost") == ["resolved"], what="the index to stand again")
    assert len(list(backend.iter_sessions())) == held == 260

    # Everything goes at once.
    with state.client() as client:
        client.flushall()
    wait_until(lambda: losses(made, "flushed") == 260, what="the flush to be noticed")
    assert losses(made, "unknown") == 40
    assert len(query(made, "SELECT id FROM djust_monitorstate WHERE store LIKE '%djust:%'")) == 1
    backend.close()
