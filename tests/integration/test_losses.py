"""Lost sessions on real servers: how many, which, and why; each said once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from redis import Redis

from djust.models import MonitorState, SessionLoss
from djust.monitoring.check import check_evictions
from djust.state_backend import RedisStateBackend
from tests.integration.losses_support import fill, gone, told
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

Servers = Callable[..., RedisServer]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("policy", ["volatile-ttl", "volatile-lru", "volatile-random", "allkeys-lfu"])
def test_an_eviction_is_found_in_one_check_to_the_session(redis_server: Servers, policy: str) -> None:
    server = redis_server(maxmemory="3mb", policy=policy)
    backend = RedisStateBackend(server.url)
    check_evictions(backend)
    keys = fill(backend, 4000)
    with told() as heard:
        report = check_evictions(backend)
        lost = gone(backend, keys)
        again = check_evictions(backend)
    assert lost
    assert report["servers"][0]["evicted"] > 0
    if policy.startswith("volatile"):
        # The index stands, so every name is known.
        assert {facts["key"] for facts in heard} == lost
        assert len(heard) == len(lost)
        assert {(facts["cause"], facts["owner"], facts["label"]) for facts in heard} == {
            ("evicted", "ann", "shop.views.Cart")
        }
        assert report["lost"] == len(lost)
        assert again["lost"] == 0
        [row] = SessionLoss.objects.all()
        assert (row.cause, row.sessions, row.owners, row.labels) == (
            "evicted",
            len(lost),
            1,
            {"shop.views.Cart": len(lost)},
        )
    else:
        assert {facts["key"] for facts in heard} <= lost
        assert len(heard) == len({facts["key"] for facts in heard})
    backend.close()


def test_what_expired_is_never_called_lost(redis_server: Servers) -> None:
    server = redis_server(maxmemory="3mb", policy="volatile-ttl")
    backend = RedisStateBackend(server.url)
    check_evictions(backend)
    keys = fill(backend, 200, ttl=0.2)
    wait_until(lambda: gone(backend, keys) == keys, what="the sessions expire")
    live = fill(backend, 100, start=1000)
    Redis.from_url(server.url).config_resetstat()
    with told() as heard:
        report = check_evictions(backend)
    assert report["lost"] == 0
    assert not [facts for facts in heard if facts["cause"] not in ("idle", "max_age")]
    assert not SessionLoss.objects.exists()
    assert gone(backend, live) == set()
    backend.close()


def test_a_flush_is_told_once_with_the_number_of_the_last_look(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    fill(backend, 300)
    check_evictions(backend)
    Redis.from_url(server.url).flushall()
    fill(backend, 20, start=1000)
    with told() as heard:
        report = check_evictions(backend)
        again = check_evictions(backend)
    assert report["lost_by_cause"] == {"flushed": 300}
    assert again["lost"] == 0
    assert heard == []
    [row] = SessionLoss.objects.all()
    assert (row.cause, row.sessions, row.estimated, row.owners) == ("flushed", 300, True, None)
    backend.close()


def test_emptied_on_purpose_is_not_lost(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    fill(backend, 300)
    check_evictions(backend)
    assert backend.delete_all() == 300
    assert check_evictions(backend)["lost"] == 0
    backend.close()


def test_a_restart_without_data(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    fill(backend, 300)
    check_evictions(backend)
    server.kill()
    server.start()
    assert check_evictions(backend)["lost_by_cause"] == {"restart": 300}
    assert check_evictions(backend)["lost"] == 0
    backend.close()


def test_a_restart_from_an_older_snapshot(redis_server: Servers) -> None:
    server = redis_server(config="save 3600 100000")
    backend = RedisStateBackend(server.url)
    fill(backend, 100)
    check_evictions(backend)
    Redis.from_url(server.url).save()
    fill(backend, 50, start=1000)
    check_evictions(backend)
    server.kill()
    server.start()
    report = check_evictions(backend)
    assert report["lost_by_cause"] == {"restart": 50}
    assert backend.get_stats()["total_sessions"] == 100
    assert check_evictions(backend)["lost"] == 0
    backend.close()


def test_a_restart_with_all_data_loses_nothing(redis_server: Servers) -> None:
    server = redis_server(persist=True, config="appendfsync always")
    backend = RedisStateBackend(server.url)
    fill(backend, 100)
    check_evictions(backend)
    server.kill()
    server.start()
    assert check_evictions(backend)["lost"] == 0
    backend.close()


def test_deleted_by_hand_has_no_known_cause(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 100)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])
    assert check_evictions(backend)["lost_by_cause"] == {"unknown": 10}
    backend.close()


def test_reset_counters_are_no_restart(redis_server: Servers) -> None:
    server = redis_server(maxmemory="3mb", policy="volatile-ttl")
    backend = RedisStateBackend(server.url)
    check_evictions(backend)
    fill(backend, 4000)
    assert check_evictions(backend)["complete"]
    Redis.from_url(server.url).config_resetstat()
    report = check_evictions(backend)
    assert (report["lost"], report["servers"][0]["evicted"]) == (0, 0)
    keys = fill(backend, 4000, start=5000)
    Redis.from_url(server.url).config_resetstat()
    # The counter hides the evictions, so the cause may be unknown, but never a flush or a restart.
    report = check_evictions(backend)
    assert set(report["lost_by_cause"]) <= {"evicted", "unknown"}
    assert gone(backend, keys) or report["lost"]
    backend.close()


@pytest.mark.parametrize(
    "options",
    [
        {"users": ["app on >secret ~* +@all -@dangerous"]},
        {"renamed": {"INFO": ""}},
    ],
    ids=["acl", "renamed"],
)
def test_without_info_losses_are_found_all_the_same(redis_server: Servers, options: dict[str, Any]) -> None:
    server = redis_server(**options)
    login = "app:secret@" if "users" in options else ""
    backend = RedisStateBackend(f"redis://{login}{server.host}:{server.port}/0")
    fill(backend, 100)
    first = check_evictions(backend)
    assert first["servers"][0]["evicted"] is None
    assert "docs/redis.md" in first["servers"][0]["unavailable"]["evicted"]
    client = Redis.from_url(backend_url(server, login))
    client.unlink(*list(client.scan_iter("djust:*:s:*"))[:10])
    assert check_evictions(backend)["lost_by_cause"] == {"unknown": 10}
    backend.close()


def backend_url(server: RedisServer, login: str) -> str:
    """Return the address with or without the user."""
    return f"redis://{login}{server.host}:{server.port}/0"


def test_of_two_workers_each_loss_has_one_report(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    victims = list(client.scan_iter(f"{key_prefix}*:s:*"))[:200]
    client.unlink(*victims)
    reports: list[dict[str, Any]] = []
    with told() as heard:
        workers = [Thread(target=lambda: reports.append(check_evictions(backend))) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        # SQLite in memory may have refused one of them a row, which then went no further.
        reports.append(check_evictions(backend))
    assert reports[-1]["complete"]
    assert sum(report["lost"] for report in reports) == 200
    assert len({facts["key"] for facts in heard}) == len(heard) == 200
    assert MonitorState.objects.filter(store__contains=key_prefix).count() == 1
    backend.close()


def test_what_expired_or_was_emptied_before_a_restart_is_not_lost(redis_server: Servers) -> None:
    server = redis_server()
    backend = RedisStateBackend(server.url)
    keys = fill(backend, 50, ttl=0.5)
    fill(backend, 20, start=1000)
    check_evictions(backend)
    wait_until(lambda: gone(backend, keys) == keys, what="the sessions expire")
    assert backend.cleanup_expired() == 50
    server.kill()
    server.start()
    assert check_evictions(backend)["lost_by_cause"] == {"restart": 20}
    backend.close()


def test_two_databases_of_a_server_are_two_stores(redis_server: Servers) -> None:
    server = redis_server()
    backends = [RedisStateBackend(f"redis://{server.host}:{server.port}/{number}") for number in (0, 1)]
    for number, backend in enumerate(backends):
        fill(backend, 30 * (number + 1))
    for _ in range(3):
        for backend in backends:
            report = check_evictions(backend)
            assert (report["lost"], report["servers"][0]["index_shards_lost"]) == (0, 0)
    for backend in backends:
        backend.close()


def test_names_that_found_no_room_are_counted(redis_server: Servers) -> None:
    server = redis_server(maxmemory="3mb", policy="volatile-ttl")
    backend = RedisStateBackend(server.url)
    check_evictions(backend)
    keys = fill(backend, 9000)
    report = check_evictions(backend)
    assert report["complete"]
    server.client().config_set("maxmemory", "64mb")
    late = check_evictions(backend)
    assert report["lost"] + late["lost"] == len(gone(backend, keys))
    assert sum(SessionLoss.objects.values_list("sessions", flat=True)) == report["lost"] + late["lost"]
    backend.close()
