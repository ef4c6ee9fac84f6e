"""Schedules are edited in Django admin over HTTP, and obeyed by a running beat."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.acceptance.admin_browser import AdminBrowser
from tests.acceptance.conftest import Site
from tests.servers.postgres import Postgres
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

ADMIN = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "pw",
    "DJANGO_SUPERUSER_EMAIL": "a@b.example",
}
MakeSite = Callable[..., Site]


class Row(NamedTuple):
    """A row of the history."""

    task: str
    trigger: str
    triggered_by: str
    outcome: str
    removed: int
    error: str


def query(site: Site, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Ask the site's SQLite file."""
    with sqlite3.connect(Path(site.env["DATABASE_URL"].removeprefix("sqlite:///")), timeout=30) as connection:
        return connection.execute(sql, parameters).fetchall()


def history(site: Site, **wanted: str) -> list[Row]:
    """Return the rows of the history that fit, oldest first."""
    rows = query(
        site, "SELECT task, trigger, triggered_by, outcome, removed, error FROM djust_maintenancerun ORDER BY id"
    )
    return [row for row in (Row(*row) for row in rows) if all(getattr(row, name) == wanted[name] for name in wanted)]


def every_second(site: Site, *names: str) -> None:
    """Let these schedules run every second and the others not at all, as somebody would in a shell."""
    site.manage(
        "shell",
        "-c",
        "from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks\n"
        "second = IntervalSchedule.objects.create(every=1, period='seconds')\n"
        f"chosen = PeriodicTask.objects.filter(name__in={names!r})\n"
        "PeriodicTask.objects.update(enabled=False)\n"
        "chosen.update(interval=second, enabled=True, expire_seconds=30)\n"
        "PeriodicTasks.update_changed()",
    )


def stored(site: Site, count: int, ttl: float) -> None:
    """Store sessions through the site's own settings."""
    site.manage(
        "shell",
        "-c",
        "from djust.state_backend import get_backend\n"
        f"for n in range({count}): get_backend().set(f'{{n}}-{ttl}', {{}}, ttl={ttl})",
    )


CLEAN_UP, SAMPLE = "djust: clean up expired sessions", "djust: sample Redis memory"


def test_an_edited_schedule_takes_effect_and_a_disabled_one_stops(site: MakeSite) -> None:
    made = site()
    made.manage("createsuperuser", "--noinput", env=ADMIN)
    # It starts as one that would not be due during this test.
    made.manage(
        "shell",
        "-c",
        "from django_celery_beat.models import PeriodicTask, IntervalSchedule\n"
        "day = IntervalSchedule.objects.create(every=1, period='days')\n"
        "PeriodicTask.objects.update(interval=day)",
    )
    web = made.web()
    made.worker()
    made.beat()
    browser = AdminBrowser(web.url, "ada", "pw")
    browser.edit(
        "/admin/django_celery_beat/intervalschedule/add/", "intervalschedule_form", every="1", period="seconds"
    )
    [(second,)] = query(
        made, "SELECT id FROM django_celery_beat_intervalschedule WHERE every = 1 AND period = 'seconds'"
    )
    ids = dict(query(made, "SELECT name, id FROM django_celery_beat_periodictask"))

    def edit(name: str, **changes: str | None) -> None:
        browser.edit(f"/admin/django_celery_beat/periodictask/{ids[name]}/change/", "periodictask_form", **changes)

    stored(made, 20, 0.01)
    edit(CLEAN_UP, interval=str(second), expire_seconds="30")
    wait_until(lambda: len(history(made, task="cleanup", trigger="beat")) >= 3, what="three runs by beat")
    rows = history(made, task="cleanup", trigger="beat")
    assert {row.triggered_by for row in rows} == {CLEAN_UP}
    assert sum(row.removed for row in rows) == 20

    edit(CLEAN_UP, enabled=None)
    edit(SAMPLE, interval=str(second), expire_seconds="30")
    wait_until(lambda: history(made, task="sample_memory"), what="beat to have read the edits")
    before = len(history(made, task="cleanup"))
    samples = len(history(made, task="sample_memory"))
    wait_until(lambda: len(history(made, task="sample_memory")) >= samples + 3, what="three more samples")
    assert len(history(made, task="cleanup")) == before

    page = browser.post("/admin/djust/maintenancerun/run/cleanup/", {})
    assert "Queued: clean up expired sessions" in page.text
    wait_until(lambda: history(made, task="cleanup", trigger="admin", outcome="done"), what="the run by hand")
    assert history(made, trigger="admin")[0].triggered_by == "ada"
    page = browser.client.get("/admin/djust/maintenancerun/?trigger__exact=admin")
    assert "admin: ada" in page.text


def test_broker_and_store_may_be_killed(site: MakeSite, redis_server: Callable[..., RedisServer]) -> None:
    state, broker = redis_server(persist=True), redis_server()
    made = site(state=state, broker=broker)
    every_second(made, CLEAN_UP)
    made.worker()
    made.beat()
    wait_until(lambda: history(made, outcome="done"), what="a first run")

    broker.kill()
    broker.start()
    done = len(history(made, outcome="done"))
    wait_until(lambda: len(history(made, outcome="done")) > done + 1, what="runs after the broker's", timeout=60)

    state.kill()
    wait_until(lambda: history(made, outcome="failed"), what="a failed run")
    state.start()
    assert "cannot be reached" in history(made, outcome="failed")[0].error
    done = len(history(made, outcome="done"))
    stored(made, 10, 0.01)
    wait_until(lambda: len(history(made, outcome="done")) > done + 2, what="runs after the store's", timeout=60)
    assert sum(row.removed for row in history(made)) == 10


def test_two_beats_and_two_workers_do_no_harm(site: MakeSite) -> None:
    made = site(LOG_LEVEL="DEBUG")
    every_second(made, CLEAN_UP)
    workers = [made.worker(name=f"worker{number}", concurrency=2) for number in range(2)]
    for _ in range(2):
        made.beat()
    for batch in range(3):
        stored(made, 150, 0.01 + batch / 1000)
    wait_until(lambda: sum(row.removed for row in history(made)) >= 450, what="all to be removed")
    wait_until(lambda: len(history(made, trigger="beat")) >= 8, what="eight runs")
    assert {row.outcome for row in history(made)} <= {"done", "skipped", "running"}
    reported = [
        json.loads(line)["session"]
        for worker in workers
        for line in worker.process.output().splitlines()
        if '"session_expired"' in line
    ]
    assert len(reported) == 450
    assert len(set(reported)) == 450


def test_a_stale_message_is_dropped(site: MakeSite, redis_server: Callable[..., RedisServer]) -> None:
    broker = redis_server()
    made = site(broker=broker)
    made.manage(
        "shell",
        "-c",
        "from config.celery import app\n"
        "from djust.tasks import cleanup_expired_sessions\n"
        "cleanup_expired_sessions.apply_async(expires=0.001)\n"
        "cleanup_expired_sessions.apply_async(headers={'djust_trigger': 'admin'})",
    )
    worker = made.worker()
    wait_until(lambda: history(made, outcome="done"), what="the second message")
    assert [row.trigger for row in history(made)] == ["admin"]
    worker.process.wait_for_output("(?i)revoked|expired")


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_it_works_with_pools_that_have_no_time_limit(site: MakeSite, pool: str) -> None:
    made = site()
    every_second(made, CLEAN_UP)
    stored(made, 30, 0.01)
    made.worker(pool=pool)
    made.beat()
    wait_until(lambda: sum(row.removed for row in history(made, outcome="done")) == 30, what="all to be removed")


def test_it_works_on_postgresql(site: MakeSite, postgres: Postgres) -> None:
    made = site(DATABASE_URL=postgres.create_database("acceptance"))
    every_second(made, CLEAN_UP)
    stored(made, 30, 0.01)
    worker = made.worker(concurrency=2)
    made.beat()
    worker.process.wait_for_output('"removed": 30')
    count = made.manage(
        "shell",
        "-c",
        "from djust.models import MaintenanceRun as M; print(sum(M.objects.values_list('removed', flat=True)))",
    )
    assert count.split()[-1] == "30"
