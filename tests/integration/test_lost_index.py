"""A lost index is noticed, told from other things, and rebuilt."""

from __future__ import annotations

import pytest
from redis import Redis

from djust.monitoring.check import check_evictions
from djust.reconcile import reconcile
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout
from djust.state_backend.redis.scripts import CLEAR
from djust.tasks.evictions import REBUILD
from tests.integration.losses_support import fill, gone
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_index_that_was_evicted_is_noticed_once_and_rebuilt(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    keys = fill(backend, 500)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    layout = Layout(key_prefix)
    first, second = layout.shards[:2]
    client.unlink(first.due, second.due, second.act, second.never, second.meta)
    report = check_evictions(backend)
    assert report["lost"] == 0
    assert report["servers"][0]["index_shards_lost"] == 2
    assert check_evictions(backend)["servers"][0]["index_shards_lost"] == 2
    reconcile(backend, repair=["data_without_index"])
    assert check_evictions(backend)["lost"] == 0
    assert gone(backend, keys) == set()
    assert backend.get_stats()["total_sessions"] == 500
    backend.close()


def test_a_mark_that_another_check_left_is_no_loss(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 500)
    check_evictions(backend)
    layout = Layout(key_prefix)
    client = Redis.from_url(redis7.url)
    client.unlink(*(shard.meta for shard in layout.shards))
    # A check that left new marks and was killed before it wrote them down.
    backend.monitor.look("another", 0, {})
    report = check_evictions(backend)
    assert (report["lost"], report["servers"][0]["index_shards_lost"]) == (0, 0)
    backend.close()


def test_a_store_that_is_being_emptied_is_not_lost(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    for shard in Layout(key_prefix).shards:
        keys = (shard.due, shard.act, shard.never, shard.gone, shard.meta)
        Redis.from_url(redis7.url).eval(CLEAR.source, len(keys), *keys, 2)
    report = check_evictions(backend)
    assert (report["lost"], report["servers"][0]["index_shards_lost"], report["rebuild"]) == (0, 0, False)
    backend.close()


def test_data_that_the_index_does_not_know_is_found_by_shard(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 300)
    monitor = backend.monitor
    now_ms = monitor.now_ms() + 1
    everywhere = range(64)
    assert monitor.holds_older(everywhere, now_ms) == []
    Redis.from_url(redis7.url).unlink(Layout(key_prefix).shards[9].due)
    assert monitor.holds_older(everywhere, now_ms) == [9]
    assert monitor.holds_older([8], now_ms) == []
    assert monitor.holds_older(everywhere, 0) == []
    backend.close()


def test_a_part_whose_data_is_partly_gone_too_becomes_whole(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 500)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    shard = Layout(key_prefix).shards[3]
    payloads = list(client.scan_iter(shard.base + b"s:*"))
    assert len(payloads) > 1
    client.unlink(shard.due, payloads[0])
    assert check_evictions(backend)["servers"][0]["index_shards_lost"] == 1
    reconcile(backend, repair=REBUILD)
    assert [look.shard for look in backend.monitor.look("any", 0, {}) if look.incomplete] == []
    backend.close()
