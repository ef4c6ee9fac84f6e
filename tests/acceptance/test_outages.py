"""Broker, store and database go away and come back. Nothing is started again but they."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from celery import Celery

from tests.acceptance.admin_browser import AdminBrowser
from tests.acceptance.conftest import Site
from tests.acceptance.support import ADMIN, CLEAN_UP, count, events, every_second, history, store
from tests.servers import binaries
from tests.servers.postgres import Postgres
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

MakeSite = Callable[..., Site]
Servers = Callable[..., RedisServer]


def wait_for_runs(site: Site, number: int) -> None:
    """Wait until so many more runs are done."""
    done = len(history(site, outcome="done"))
    wait_until(lambda: len(history(site, outcome="done")) >= done + number, timeout=60, what="more runs")


def test_a_killed_broker(site: MakeSite, redis_server: Servers) -> None:
    broker = redis_server()
    made = site(broker=broker)
    made.manage("createsuperuser", "--noinput", env=ADMIN)
    every_second(made, CLEAN_UP)
    web, worker, beat = made.web(), made.worker(), made.beat()
    browser = AdminBrowser(web.url, "ada", ADMIN["DJANGO_SUPERUSER_PASSWORD"])
    wait_for_runs(made, 1)

    broker.kill()
    worker.process.wait_for_output("(?i)connection to broker lost|Cannot connect to")
    page = browser.post("/admin/djust/maintenancerun/run/cleanup/", {})
    assert "The Celery broker cannot be reached" in page.text
    assert "Queued" not in page.text
    broker.start()
    # A run that was under way when the broker died has been counted by now.
    wait_for_runs(made, 3)
    assert worker.process.running
    assert beat.process.running
    page = browser.post("/admin/djust/maintenancerun/run/cleanup/", {})
    assert "Queued: clean up expired sessions" in page.text
    wait_until(lambda: history(made, trigger="admin", outcome="done"), what="the run by hand")


def test_a_killed_store(site: MakeSite, redis_server: Servers) -> None:
    state, broker = redis_server(persist=True), redis_server()
    made = site(state=state, broker=broker)
    worker = made.worker()
    sender = Celery(broker=broker.url)
    store(made, 10, 0.01)
    state.kill()
    task_id = sender.send_task("djust.tasks.cleanup_expired_sessions").id
    wait_until(lambda: history(made, task_id=task_id, outcome="failed"), what="a failed run")
    state.start()
    # The task itself tries again: nobody sends another.
    wait_until(lambda: history(made, task_id=task_id, outcome="done"), what="the retry")
    *failed, done = history(made, task_id=task_id)
    assert len(history(made)) == len(failed) + 1
    assert {row.outcome for row in failed} == {"failed"}
    assert failed[0].reason == "Attempt 1 of 4: it is tried again."
    assert all(f"{state.host}:{state.port} cannot be reached" in row.error for row in failed)
    assert done.removed == 10
    assert count(worker.process, "backend_unavailable") == count(worker.process, "backend_recovered") == 1


def test_a_retry_still_says_who_asked(site: MakeSite, redis_server: Servers) -> None:
    state, broker = redis_server(), redis_server()
    made = site(state=state, broker=broker)
    every_second(made, CLEAN_UP)
    state.kill()
    made.worker()
    made.beat()
    headers = {"djust_trigger": "admin", "djust_triggered_by": "ada"}
    by_hand = Celery(broker=broker.url).send_task("djust.tasks.cleanup_expired_sessions", headers=headers).id

    def retried(trigger: str) -> bool:
        return any(times > 1 for times in Counter(row.task_id for row in history(made, trigger=trigger)).values())

    wait_until(lambda: retried("admin") and retried("beat"), what="both to be tried again")
    rows = history(made)
    assert {(row.trigger, row.triggered_by) for row in rows if row.task_id == by_hand} == {("admin", "ada")}
    assert {(row.trigger, row.triggered_by) for row in rows if row.task_id != by_hand} == {("beat", CLEAN_UP)}


def test_only_errors_of_the_connection_are_retried(site: MakeSite, redis_server: Servers) -> None:
    state, broker = redis_server(), redis_server()
    made = site(state=state, broker=broker)
    worker = made.worker(pool="solo")
    sender = Celery(broker=broker.url)
    with state.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-evalsha", "-eval")
    refused = sender.send_task("djust.tasks.cleanup_expired_sessions").id
    wait_until(lambda: history(made, outcome="failed"), what="a refused run")
    state.kill()
    unreachable = sender.send_task("djust.tasks.cleanup_expired_sessions").id
    worker.process.wait_for_output(rf"\[{unreachable}\] retry: Retry in")
    printed = worker.process.output()
    assert f"[{refused}] retry" not in printed
    [row] = history(made, task_id=refused)
    assert "refused a command" in row.error


@pytest.fixture
def database() -> Any:
    """A PostgreSQL that may be killed."""
    with Postgres(binaries.postgres_directory()) as server:
        yield server


def test_a_killed_database_loses_the_history_and_not_the_work(
    site: MakeSite, redis_server: Servers, database: Postgres
) -> None:
    state, broker = redis_server(), redis_server()
    made = site(state=state, broker=broker, DATABASE_URL=database.url)
    worker = made.worker()
    sender = Celery(broker=broker.url)

    def sweep(number: int) -> list[int]:
        sender.send_task("djust.tasks.cleanup_expired_sessions")
        wait_until(lambda: count(worker.process, "cleanup_finished") == number, what=f"sweep {number}")
        return [event["removed"] for event in events(worker.process, "cleanup_finished")]

    def rows() -> list[Any]:
        with psycopg.connect(database.url) as connection:
            return connection.execute("SELECT removed FROM djust_maintenancerun WHERE outcome = 'done'").fetchall()

    store(made, 5, 0.01)
    assert sweep(1) == [5]
    wait_until(lambda: rows() == [(5,)], what="the first row")
    store(made, 7, 0.02)
    database.kill()
    assert sweep(2) == [5, 7]
    worker.process.wait_for_output("history_unavailable")
    database.start()
    assert sweep(3) == [5, 7, 0]
    wait_until(lambda: sorted(rows()) == [(0,), (5,)], what="the third row")
