"""Clean-ups that are held up, refused, killed or asked for by hand."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from djust.exceptions import BackendUnavailable, InvalidArgument
from djust.sessions import LEASE_NAME, clean_up
from djust.signals import session_expired
from djust.state_backend import RedisStateBackend
from tests.integration.redis_support import hearing
from tests.integration.test_sweep import make_due
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until


@pytest.fixture(params=["redis6", "redis7", "valkey", "redis_cluster"])
def server(request: pytest.FixtureRequest) -> RedisServer | RedisCluster:
    server: RedisServer | RedisCluster = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def backend(server: RedisServer | RedisCluster, key_prefix: str) -> Iterator[RedisStateBackend]:
    with closing(RedisStateBackend(server.url, key_prefix=key_prefix)) as backend:
        yield backend
        backend.delete_all()


def test_a_budget_that_is_none_is_refused_and_holds_no_lease(backend: RedisStateBackend) -> None:
    for budget in (0, -1):
        with pytest.raises(InvalidArgument, match="budget_seconds"):
            clean_up(backend, budget_seconds=budget)
    assert clean_up(backend).outcome == "done"


def test_a_clean_up_that_fails_before_its_first_slice_holds_no_lease(
    backend: RedisStateBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_ttl: float | None) -> int:
        raise BackendUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(backend, "count_due", away)
        with pytest.raises(BackendUnavailable):
            clean_up(backend, on_progress=lambda _progress: None)
    assert clean_up(backend).outcome == "done"


def test_a_clean_up_that_was_held_up_ends_and_leaves_what_the_next_has_in_flight(
    backend: RedisStateBackend, settings: Any
) -> None:
    settings.DJUST_CONFIG = {"CLEANUP_LEASE_SECONDS": 0.2}
    make_due(backend, 100)
    taken: list[str] = []

    def hold_up(**_report: Any) -> None:
        """Take so long that another clean-up begins, and has claimed something by the time this one goes on."""
        if taken:
            return
        wait_until(lambda: backend.acquire_lease(LEASE_NAME, "lease:other", 30), what="the lease to end")
        sweep = backend.open_sweep(token="lease:other")
        while not taken:
            sweep.reap(250)
            taken.extend(session.key for session in sweep.claim(25))

    session_expired.connect(hold_up)
    try:
        with hearing() as heard:
            report = clean_up(backend)
    finally:
        session_expired.disconnect(hold_up)
    assert report.outcome == "partial"
    assert report.reason is not None
    assert "took over" in report.reason
    assert report.unreported == 0
    assert report.removed == len(heard.keys()) <= 25
    assert not set(heard.keys()) & set(taken)
    # The other one was killed, let us say.
    backend.release_lease(LEASE_NAME, "lease:other")
    with hearing() as heard_later:
        last = clean_up(backend)
    assert last.outcome == "done"
    assert last.unreported == len(taken)
    assert len({*heard.keys(), *heard_later.keys(), *taken}) == 100


def test_a_ttl_by_hand_reports_of_what_had_expired_when_it_was_active(backend: RedisStateBackend) -> None:
    seen = {}
    for number in range(150):
        seen[f"k{number}"] = backend.set(f"k{number}", {}, ttl=0.05).last_active_at
        seen[f"idle{number}"] = backend.set(f"idle{number}", {}, ttl=600).last_active_at
    wait_until(lambda: backend.count_due(0.1) == 300, what="all to be due")
    with hearing() as heard:
        assert clean_up(backend, ttl=0.1).removed == 300
    assert {report["key"]: report["last_active_at"] for report in heard.expired} == seen
    assert backend.get_stats()["total_sessions"] == 0


def test_a_ttl_by_hand_spares_what_never_idles_out_and_what_was_renewed(backend: RedisStateBackend) -> None:
    backend.set("never", {}, ttl=0)
    backend.set("was limited", {}, ttl=600)
    backend.set("was endless", {}, ttl=0)
    wait_until(lambda: backend.count_due(0.05) == 1, what="one to have idled")
    backend.touch("was limited", 0)
    backend.touch("was endless", 600)
    wait_until(lambda: backend.count_due(0.05) == 1, what="another to have idled")
    assert clean_up(backend, ttl=0.05).removed == 1
    assert sorted(session.key for session in backend.iter_sessions()) == ["never", "was limited"]


def test_deadlines_by_idleness_and_by_age_are_told_apart(server: RedisServer | RedisCluster, key_prefix: str) -> None:
    with closing(RedisStateBackend(server.url, key_prefix=key_prefix, max_age=0.4)) as backend:
        backend.set("idle first", {}, ttl=0.1)
        backend.set("age first", {}, ttl=600)
        backend.set("kept alive", {}, ttl=0.3)
        wait_until(lambda: backend.touch("kept alive") and backend.get("idle first") is None, what="one to expire")
        backend.touch("kept alive")
        wait_until(lambda: backend.count_due() == 3, what="all to be due")
        with hearing() as heard:
            clean_up(backend)
    causes = {report["key"]: report["cause"] for report in heard.expired}
    assert causes == {"idle first": "idle", "age first": "max_age", "kept alive": "max_age"}


DUE, LIVE, KILLS = 6_000, 100, 5


def sweep_for_ever(url: str, prefix: str) -> None:
    """Clean up, and write each report to a list in Redis."""
    backend = RedisStateBackend(url, key_prefix=prefix)
    reports = redis.Redis.from_url(url)

    def note(key: str, **_report: Any) -> None:
        reports.rpush("reports", key)

    session_expired.connect(note)
    while True:
        report = clean_up(backend)
        reports.incrby("unreported", report.unreported)


def test_killed_clean_ups_lose_nothing_twice_and_what_they_lose_is_counted(
    redis_server: Callable[..., RedisServer], settings: Any, key_prefix: str
) -> None:
    settings.DJUST_CONFIG = {"CLEANUP_LEASE_SECONDS": 0.3}
    server = redis_server()
    backend = RedisStateBackend(server.url, key_prefix=key_prefix)
    for number in range(LIVE):
        backend.set(f"live{number}", {}, ttl=600)
    make_due(backend, DUE)
    context = multiprocessing.get_context("fork")
    with server.client() as client:
        for kill in range(KILLS + 1):
            sweeper = context.Process(target=sweep_for_ever, args=(server.url, key_prefix))
            sweeper.start()
            wanted = DUE * (kill + 1) // (KILLS + 2)
            if kill < KILLS:
                wait_until(lambda wanted=wanted: client.llen("reports") >= wanted, what="some", pause=0.001)
            else:
                wait_until(lambda: backend.count_due() == 0, what="the rest")
                wait_until(lambda: client.llen("reports") + int(client.get("unreported") or 0) >= DUE, what="the sum")
            sweeper.kill()
            sweeper.join()
        sent = client.lrange("reports", 0, -1)
        unreported = int(client.get("unreported") or 0)
    assert len(sent) == len(set(sent))
    assert all(key.startswith(b"due") for key in sent)
    assert len(sent) >= 0.97 * DUE
    assert len(sent) + unreported >= DUE
    assert unreported <= KILLS * 25
    assert backend.get_stats()["total_sessions"] == LIVE
    assert backend.delete_all() == LIVE
