"""Clean-up: bounded, fair, and each session reported once."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from djust.sessions import LEASE_NAME, clean_up, count_due
from djust.state_backend import InMemoryStateBackend, RedisStateBackend
from tests.integration.redis_support import calls_of, hearing, names
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.waiting import wait_until

SERVERS = ["redis6", "redis7", "valkey", "redis_cluster"]


@pytest.fixture(params=SERVERS)
def backend(request: pytest.FixtureRequest, key_prefix: str) -> Iterator[RedisStateBackend]:
    server: RedisServer | RedisCluster = request.getfixturevalue(request.param)
    with closing(RedisStateBackend(server.url, key_prefix=key_prefix)) as backend:
        yield backend
        backend.delete_all()


def make_due(backend: RedisStateBackend, count: int, name: str = "due", ttl: float = 0.2) -> None:
    """Make sessions that are due when this returns. None is due while they are made, so no write reports them."""
    started = time.monotonic()
    for number in range(count):
        backend.set(f"{name}{number}", {"n": number}, ttl=60, owner=f"o{number % 7}", label="test")
    for number in range(count):
        backend.touch(f"{name}{number}", ttl)
    wait_until(lambda: backend.count_due() >= count, what=f"{count} due, after {time.monotonic() - started}")


def test_each_due_session_is_removed_and_reported_once(backend: RedisStateBackend) -> None:
    backend.set("live", {})
    backend.set("never", {}, ttl=0)
    make_due(backend, 300)
    assert count_due(backend) == 300
    with hearing() as heard:
        report = clean_up(backend)
    assert (report.outcome, report.removed, report.remaining) == ("done", 300, 0)
    assert sorted(heard.keys()) == sorted(f"due{number}" for number in range(300))
    assert {report["owner"] for report in heard.expired} == {f"o{number}" for number in range(7)}
    assert {report["cause"] for report in heard.expired} == {"idle"}
    assert backend.get_stats()["total_sessions"] == 2
    assert clean_up(backend).removed == 0


def test_the_longest_overdue_goes_first(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    make_due(backend, 2_000, "old", 0.05)
    make_due(backend, 2_000, "new", 0.05)
    gone: list[str] = []
    sweep = backend.open_sweep()
    while len(gone) < 1_000:
        sweep.reap(250)
        while batch := sweep.claim(25):
            gone += [session.key for session in batch]
    sweep.close()
    assert all(key.startswith("old") for key in gone)
    backend.delete_all()


def test_what_is_left_when_the_time_is_spent_is_said(backend: RedisStateBackend) -> None:
    make_due(backend, 600)
    with hearing() as heard:
        first = clean_up(backend, budget_seconds=1e-9)
        assert (first.outcome, first.removed, first.remaining) == ("partial", 0, 600)
        assert first.oldest_overdue_seconds is not None
        second = clean_up(backend)
    assert (second.outcome, second.removed, second.remaining) == ("done", 600, 0)
    assert len(heard.keys()) == 600


def test_a_renewed_session_survives(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    backend.set("key", {"n": 1}, ttl=600)
    with redis7.client() as client:
        # An entry that says "due" of a session that is not, as a sweep sees one that is renewed under its hands.
        [due] = names(client, key_prefix, "due")
        [(member, _)] = client.zrange(due, 0, -1, withscores=True)
        client.zadd(due, {member: 1})
        report = clean_up(backend)
        assert (report.removed, report.renewed) == (0, 1)
        assert client.zscore(due, member) > 1
    assert backend.get("key") is not None


def test_a_second_clean_up_is_skipped_and_a_killed_one_does_not_hold_the_lease_for_long(
    backend: RedisStateBackend,
) -> None:
    make_due(backend, 5)
    assert backend.acquire_lease(LEASE_NAME, "somebody", 0.4)
    report = clean_up(backend)
    assert (report.outcome, report.removed) == ("skipped", 0)
    wait_until(lambda: clean_up(backend).outcome == "done", what="the lease to end by itself")


def test_slow_answers_make_slices_smaller(
    redis_server: Callable[..., RedisServer], tcp_proxy: Callable[[RedisServer], TcpProxy]
) -> None:
    server = redis_server()
    make_due(RedisStateBackend(server.url), 500)
    proxy = tcp_proxy(server)
    proxy.delay(0.06)
    report = clean_up(RedisStateBackend(proxy.url()), budget_seconds=1)
    assert report.smallest_slice is not None
    assert report.smallest_slice < 125
    proxy.restore()
    report = clean_up(RedisStateBackend(proxy.url()))
    assert (report.outcome, report.smallest_slice) == ("done", 125)


def test_a_ttl_by_hand_ends_what_idled_for_longer(backend: RedisStateBackend) -> None:
    for number in range(100):
        backend.set(f"old{number}", {}, ttl=100 + number)
        backend.set(f"never{number}", {}, ttl=0)
    wait_until(lambda: backend.count_due(0.05) == 100, what="them to idle")
    for number in range(50):
        backend.set(f"young{number}", {}, ttl=60)
    with hearing() as heard:
        report = clean_up(backend, ttl=0.05, budget_seconds=20)
    assert report.removed >= 100
    reported = heard.keys()
    assert {key.rstrip("0123456789") for key in reported} <= {"old", "young"}
    assert backend.get_stats()["total_sessions"] >= 100
    assert clean_up(backend, ttl=0).removed == 0
    assert clean_up(backend, ttl=-1).removed == 0


def test_a_ttl_by_hand_takes_bounded_slices(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix)
    for number in range(3_000):
        backend.set(f"k{number}", {}, ttl=100 + number % 50)
    wait_until(lambda: backend.count_due(0.02) == 3_000, what="them to idle")
    with redis7.client() as client:
        calls = calls_of(client, lambda: clean_up(backend, ttl=0.01))
    # One UNLINK for each, spread over scripts of at most a hundred.
    assert calls["unlink"] == 3_000
    assert calls["evalsha"] >= 3_000 / 100 + 3_000 / 25


def test_the_causes_are_told_apart(redis7: RedisServer, key_prefix: str) -> None:
    backend = RedisStateBackend(redis7.url, key_prefix=key_prefix, max_age=0.3)
    backend.set("idle", {}, ttl=0.1)
    backend.set("old", {}, ttl=0)
    wait_until(lambda: backend.count_due() == 2, what="both to be due")
    with hearing() as heard:
        backend.cleanup_expired()
    assert {report["key"]: report["cause"] for report in heard.expired} == {"idle": "idle", "old": "max_age"}


def test_a_receiver_that_raises_stops_nothing(backend: RedisStateBackend) -> None:
    from djust.signals import session_expired  # noqa: PLC0415

    def broken(**_: object) -> None:
        raise RuntimeError

    make_due(backend, 30)
    session_expired.connect(broken)
    try:
        report = clean_up(backend)
    finally:
        session_expired.disconnect(broken)
    assert (report.removed, report.errors) == (30, 30)


def test_the_memory_backend_of_another_process_is_not_applicable() -> None:
    report = clean_up(InMemoryStateBackend())
    assert (report.outcome, report.removed) == ("not_applicable", 0)
    assert report.reason is not None
    assert "web process" in report.reason


def sweep_and_count(url: str, prefix: str, start: multiprocessing.synchronize.Event, answers: object) -> None:
    backend = RedisStateBackend(url, key_prefix=prefix)
    with hearing() as heard:
        start.wait()
        backend.cleanup_expired()
    answers.put(heard.keys())  # type: ignore[attr-defined]


@pytest.mark.parametrize("server_name", ["redis7", "redis_cluster"])
def test_eight_processes_report_each_session_once(
    server_name: str, request: pytest.FixtureRequest, key_prefix: str
) -> None:
    server = request.getfixturevalue(server_name)
    backend = RedisStateBackend(server.url, key_prefix=key_prefix)
    make_due(backend, 4_000, ttl=0.05)
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    workers = [
        context.Process(target=sweep_and_count, args=(server.url, key_prefix, start, answers)) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    start.set()
    keys = [key for _ in workers for key in answers.get(timeout=60)]
    for worker in workers:
        worker.join()
    assert len(keys) == 4_000
    assert len(set(keys)) == 4_000


def increment(url: str, prefix: str, times: int) -> None:
    from djust.exceptions import VersionConflict  # noqa: PLC0415

    backend = RedisStateBackend(url, key_prefix=prefix)
    for _ in range(times):
        while True:
            session = backend.get("counter")
            assert session is not None
            try:
                backend.set("counter", {"n": session.state["n"] + 1}, expected_version=session.version)
                break
            except VersionConflict:
                continue


@pytest.mark.parametrize("server_name", SERVERS)
def test_sixteen_processes_lose_no_update(server_name: str, request: pytest.FixtureRequest, key_prefix: str) -> None:
    server = request.getfixturevalue(server_name)
    backend = RedisStateBackend(server.url, key_prefix=key_prefix)
    backend.set("counter", {"n": 0})
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=increment, args=(server.url, key_prefix, 25)) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 16
    session = backend.get("counter")
    assert session is not None
    assert session.state == {"n": 16 * 25}
