"""Lost sessions on real servers: how many, which, and why; each said once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from django.db import OperationalError
from redis import Redis

from djust.models import Alert, MonitorState, SessionLoss
from djust.monitoring.alerting import alerts
from djust.monitoring.check import check_evictions
from djust.reconcile import reconcile
from djust.signals import session_evicted, session_expired
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout
from djust.state_backend.redis.scripts import CLEAR
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

Servers = Callable[..., RedisServer]

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def told() -> Iterator[list[dict[str, Any]]]:
    """Collect what the two signals tell."""
    heard: list[dict[str, Any]] = []

    def hear(**facts: Any) -> None:
        heard.append(facts)

    session_evicted.connect(hear)
    session_expired.connect(hear)
    try:
        yield heard
    finally:
        session_evicted.disconnect(hear)
        session_expired.disconnect(hear)


def fill(backend: RedisStateBackend, count: int, *, start: int = 0, ttl: float | None = None) -> set[str]:
    """Save sessions and return their keys."""
    keys = {f"session-{number}" for number in range(start, start + count)}
    for key in keys:
        backend.set(key, {"text": "x" * 200}, ttl, owner="ann", label="shop.views.Cart")
    return keys


def gone(backend: RedisStateBackend, keys: set[str]) -> set[str]:
    """Return the keys whose session is gone, by asking for each."""
    return {key for key in keys if backend.get(key) is None}


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


def test_a_check_that_is_killed_takes_one_batch_with_it(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:200])
    heard = 0

    class Killed(BaseException):
        """What no handler of the check stops."""

    def die(**_: Any) -> None:
        nonlocal heard
        heard += 1
        if heard == 100:
            raise Killed

    session_evicted.connect(die)
    try:
        with pytest.raises(Killed):
            check_evictions(backend)
    finally:
        session_evicted.disconnect(die)
    kept = sum(SessionLoss.objects.values_list("sessions", flat=True))
    assert 75 <= kept <= 100
    rest = check_evictions(backend)["lost"]
    assert kept + rest + 25 >= 200
    backend.close()


def test_losses_are_judged_once_whoever_found_them(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    for _ in range(3):
        client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])
        check_evictions(backend)
        assert Alert.objects.get(rule="sessions_lost").value == 10
    check_evictions(backend)
    assert Alert.objects.get(rule="sessions_lost").peak == 10
    assert all(row.judged_sessions == row.sessions for row in SessionLoss.objects.all())
    backend.close()


def test_a_database_that_writes_no_row_silences_no_alert(
    redis7: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 100)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])

    def locked(self: SessionLoss, **_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as away:
        away.setattr(SessionLoss, "save", locked)
        told_first = check_evictions(backend)["lost"]
    alert = Alert.objects.get(rule="sessions_lost")
    assert (alert.state, alert.value) == ("firing", told_first)
    # The rest waits until it can be written down.
    assert check_evictions(backend)["lost"] == 10 - told_first
    backend.close()


def test_what_the_alerts_could_not_take_in_is_judged_by_the_next_check(
    redis7: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 100)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:10])

    def locked(action: Callable[[], None]) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as away:
        away.setattr(alerts, "_on_a_good_connection", locked)
        assert check_evictions(backend)["lost"] == 10
    assert SessionLoss.objects.get().judged_sessions == 0
    check_evictions(backend)
    assert Alert.objects.get(rule="sessions_lost").value == 10
    assert SessionLoss.objects.get().judged_sessions == 10
    backend.close()


def test_what_nobody_can_write_down_waits_in_the_store(
    redis7: RedisServer, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    fill(backend, 400)
    check_evictions(backend)
    client = Redis.from_url(redis7.url)
    client.unlink(*list(client.scan_iter(f"{key_prefix}*:s:*"))[:200])

    def locked(self: SessionLoss, **_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as away, told() as heard:
        away.setattr(SessionLoss, "save", locked)
        check_evictions(backend)
    told_before = len(heard)
    assert told_before <= 25
    assert check_evictions(backend)["lost"] == 200 - told_before
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
