"""Schedules are edited in Django admin over HTTP, and obeyed by a running beat."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

from celery import Celery

from tests.acceptance.admin_browser import AdminBrowser
from tests.acceptance.conftest import Site
from tests.acceptance.support import ADMIN, CLEAN_UP, SAMPLE, count, events, every_second, history, query, store
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

MakeSite = Callable[..., Site]


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
    made.beat(arguments=["--max-interval", "1"])
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

    store(made, 20, 0.01)
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
    # The same from the schedule's own list, by an action of django-celery-beat.
    browser.post(
        "/admin/django_celery_beat/periodictask/", {"action": "run_tasks", "_selected_action": str(ids[CLEAN_UP])}
    )
    wait_until(lambda: history(made, triggered_by=CLEAN_UP, trigger="admin", outcome="done"), what="the selected task")
    page = browser.client.get("/admin/djust/maintenancerun/?trigger__exact=admin")
    assert "admin: ada" in page.text


def test_two_beats_and_two_workers_do_no_harm(site: MakeSite) -> None:
    made = site(LOG_LEVEL="DEBUG")
    every_second(made, CLEAN_UP)
    workers = [made.worker(name=f"worker{number}", concurrency=2) for number in range(2)]
    for _ in range(2):
        made.beat()
    for batch in range(3):
        store(made, 150, 0.01 + batch / 1000)
    wait_until(lambda: sum(row.removed for row in history(made)) >= 450, what="all to be removed")
    wait_until(lambda: len(history(made, trigger="beat")) >= 8, what="eight runs")
    assert all(count(worker.process, "cleanup_started") for worker in workers)
    assert {row.outcome for row in history(made)} <= {"done", "skipped", "running"}
    reported = [event["session"] for worker in workers for event in events(worker.process, "session_expired")]
    assert len(reported) == 450
    assert len(set(reported)) == 450


def test_what_beat_sent_long_ago_is_dropped_by_a_worker_that_starts_late(
    site: MakeSite, redis_server: Callable[..., RedisServer]
) -> None:
    broker = redis_server()
    made = site(broker=broker)
    every_second(made, CLEAN_UP, expire_seconds=1)
    beat = made.beat()
    with broker.client() as client:
        wait_until(lambda: client.llen("celery") >= 3, what="three messages")
        beat.stop()
        messages = [json.loads(message) for message in client.lrange("celery", 0, -1)]
    last = max(datetime.fromisoformat(message["headers"]["expires"]) for message in messages)
    wait_until(lambda: datetime.now(UTC) > last, what="the messages to be stale")
    Celery(broker=broker.url).send_task("djust.tasks.cleanup_expired_sessions")
    worker = made.worker()
    wait_until(lambda: history(made, outcome="done"), what="the message without an end")
    assert [row.trigger for row in history(made)] == ["call"]
    assert len(worker.process.wait_for_output("Discarding revoked task", count=len(messages))) == len(messages)
