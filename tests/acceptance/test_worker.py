"""A worker as people start it: any pool, any database, no special queue, and a run that ends in time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from celery import Celery

from djust.sessions import LEASE_NAME
from djust.state_backend import RedisStateBackend
from tests.acceptance.conftest import EXAMPLE, Site
from tests.acceptance.support import CLEAN_UP, count, every_second, history, store
from tests.servers.celery_processes import CeleryWorker
from tests.servers.postgres import Postgres
from tests.servers.process import ROOT
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

MakeSite = Callable[..., Site]
Servers = Callable[..., RedisServer]
TASK = "djust.tasks.cleanup_expired_sessions"


class PlainWorker(CeleryWorker):
    """``celery -A config worker`` and nothing else."""

    ready = r"celery@\S+ ready"

    def _defaults(self) -> list[str]:
        return []


def test_a_worker_without_options_does_what_beat_sends(site: MakeSite) -> None:
    made = site()
    every_second(made, CLEAN_UP)
    store(made, 30, 0.01)
    with PlainWorker("config", name="celery", cwd=EXAMPLE, env=made.env):
        made.beat()
        wait_until(lambda: sum(row.removed for row in history(made, outcome="done")) == 30, what="all to be removed")
    assert {row.triggered_by for row in history(made)} == {CLEAN_UP}


def test_it_works_on_postgresql(site: MakeSite, postgres: Postgres) -> None:
    made = site(DATABASE_URL=postgres.create_database("acceptance"))
    every_second(made, CLEAN_UP)
    store(made, 30, 0.01)
    worker = made.worker(concurrency=2)
    made.beat()
    worker.process.wait_for_output('"removed": 30')
    removed = "from djust.models import MaintenanceRun as M; print(sum(M.objects.values_list('removed', flat=True)))"
    assert made.manage("shell", "--verbosity", "0", "-c", removed).strip() == "30"


def test_a_second_run_says_that_it_was_skipped(site: MakeSite, redis_server: Servers) -> None:
    state, broker = redis_server(), redis_server()
    made = site(state=state, broker=broker)
    worker = made.worker(pool="threads")
    backend = RedisStateBackend(state.url)
    assert backend.acquire_lease(LEASE_NAME, "lease:another", 60)
    task_id = Celery(broker=broker.url).send_task(TASK).id
    wait_until(lambda: history(made, outcome="skipped"), what="the run")
    [row] = history(made)
    assert (row.task_id, row.reason) == (task_id, "Another clean-up is at work.")
    assert count(worker.process, "cleanup_skipped") == 1
    assert count(worker.process, "cleanup_started") == 0


def test_sessions_in_the_memory_of_another_process_are_not_its_affair(site: MakeSite, redis_server: Servers) -> None:
    broker = redis_server()
    made = site(broker=broker, STATE_BACKEND="memory")
    worker = made.worker(pool="solo")
    Celery(broker=broker.url).send_task(TASK)
    wait_until(lambda: history(made, outcome="not_applicable"), what="the run")
    [row] = history(made)
    assert "web process" in row.reason
    assert count(worker.process, "cleanup_not_applicable") == 1
    # The reason is in that event, and not once more as the result of the task.
    [succeeded] = worker.process.wait_for_output(rf"^.*Task {TASK}\[{row.task_id}\] succeeded in .*$")
    assert "not_applicable" not in succeeded


class Disturbed(Site):
    """Not the example, but a project whose signal receiver takes its time."""

    @classmethod
    def of(cls, made: Site, state: RedisServer) -> Disturbed:
        """Take over the servers and the tables of a site."""
        env = {
            "DJANGO_SETTINGS_MODULE": "tests.acceptance.worker_settings",
            "TEST_DATABASE_URL": made.env["DATABASE_URL"].replace("sqlite:///", "sqlite:////", 1),
            "DATABASE_URL": made.env["DATABASE_URL"],
            "CELERY_BROKER_URL": made.env["CELERY_BROKER_URL"],
            "REDIS_URL": state.url,
        }
        return cls(made._stack, env)

    def disturbed_worker(self, pool: str, **env: str) -> CeleryWorker:
        """Start a worker."""
        return self._stack.enter_context(
            CeleryWorker("tests.acceptance.worker_app", pool=pool, cwd=ROOT, env={**self.env, **env})
        )


@pytest.fixture
def disturbed(site: MakeSite, redis_server: Servers) -> tuple[Disturbed, RedisStateBackend, Celery]:
    """Such a project, its sessions and somebody who sends messages."""
    state = redis_server()
    made = Disturbed.of(site(state=state), state)
    return made, RedisStateBackend(state.url), Celery(broker=made.env["CELERY_BROKER_URL"])


def ended(site: Site) -> int:
    """Return how many runs have come to their end."""
    return len(history(site)) - len(history(site, outcome="running"))


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_the_work_itself_keeps_its_budget(pool: str, disturbed: tuple[Disturbed, RedisStateBackend, Celery]) -> None:
    made, backend, sender = disturbed
    for number in range(3_000):
        backend.set(f"{number}", {}, ttl=0.01)
    made.disturbed_worker(pool, CLEANUP_BUDGET_SECONDS="0.1")
    sender.send_task(TASK)
    [row] = wait_until(lambda: history(made, outcome="partial"), what="a run that ended in time")
    assert row.reason == "The time budget is spent."
    assert row.figures["remaining"] == 3_000 - row.removed > 0
    assert row.figures["oldest_overdue_seconds"] > 0
    while backend.count_due():
        runs = ended(made)
        sender.send_task(TASK)
        wait_until(lambda runs=runs: ended(made) > runs, what="the rest")
    assert sum(row.removed for row in history(made)) == 3_000


def test_a_receiver_that_hangs_is_interrupted_and_counted(
    disturbed: tuple[Disturbed, RedisStateBackend, Celery],
) -> None:
    made, backend, sender = disturbed
    for key in ("slow", "a", "b"):
        backend.set(key, {}, ttl=0.01)
    made.disturbed_worker("prefork")
    sender.send_task(TASK, soft_time_limit=1)
    wait_until(lambda: history(made, outcome="done"), what="the run")
    [row] = history(made)
    assert (row.removed, row.figures["errors"], row.figures["remaining"]) == (3, 1, 0)


def test_a_run_that_cannot_be_interrupted_is_killed_and_counted_by_the_next(
    disturbed: tuple[Disturbed, RedisStateBackend, Celery],
) -> None:
    made, backend, sender = disturbed
    backend.set("stuck", {}, ttl=0.01)
    worker = made.disturbed_worker("prefork")
    sender.send_task(TASK, soft_time_limit=1, time_limit=2)
    worker.process.wait_for_output(r"Hard time limit \(2s\) exceeded")
    wait_until(lambda: backend.acquire_lease(LEASE_NAME, "lease:mine", 60), what="the lease to end")
    backend.release_lease(LEASE_NAME, "lease:mine")
    sender.send_task(TASK)
    wait_until(lambda: history(made, outcome="done"), what="the next run")
    killed, done = history(made)
    assert (killed.outcome, killed.error) == ("killed", "")
    assert killed.reason.startswith("The process ")
    assert (done.removed, done.figures["unreported"]) == (0, 1)
