"""The dead man's switch: what the database alone tells about worker, beat and schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import modify_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from djust.models import MaintenanceRun, MemorySample
from djust.monitoring.status.heartbeat import WATCHED, heartbeat
from djust.monitoring.status.schedules import read_schedules

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
TASKS = tuple(WATCHED)
CLEAN_UP = "djust: clean up expired sessions"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _long_installed() -> None:
    """Let the default schedules have been made a month ago and never been sent."""
    PeriodicTask.objects.update(date_changed=NOW - 30 * DAY, last_run_at=None, total_run_count=0)


def ran(task: str, ago: timedelta, outcome: str = "done", **fields: Any) -> None:
    MaintenanceRun.objects.create(task=task, trigger="beat", started_at=NOW - ago, outcome=outcome, **fields)


def all_ran(ago: timedelta) -> None:
    for task in TASKS:
        ran(task, ago)


def statuses() -> list[str]:
    return [beat.status for beat in heartbeat(NOW).beats]


def test_just_installed_is_not_late_yet() -> None:
    PeriodicTask.objects.update(date_changed=NOW - MINUTE)
    found = heartbeat(NOW)
    assert (found.status, statuses()) == ("never", ["never"] * 3)
    assert "No task has run yet" in found.detail
    later = heartbeat(NOW + 3 * MINUTE)
    assert (later.status, later.stopped) == ("late", True)
    assert later.detail == (
        "Nothing has ever run: check that a worker and one beat are running and that the broker answers."
    )
    assert all(beat.never and beat.late for beat in later.beats)


@pytest.mark.parametrize("outcome", ["done", "partial", "skipped", "not_applicable"])
def test_what_ran_lately_is_well(outcome: str) -> None:
    for task in TASKS:
        ran(task, 2 * MINUTE, outcome)
        ran(task, MINUTE, "failed")
        ran(task, MINUTE, "running")
    found = heartbeat(NOW)
    assert (found.status, found.detail) == ("ok", "What is scheduled runs.")
    beat = found.beat("cleanup")
    assert beat is not None
    assert (beat.every_seconds, beat.last_at) == (60, NOW - 2 * MINUTE)


def test_it_is_late_after_three_intervals_but_not_before_three_minutes() -> None:
    all_ran(timedelta(seconds=179))
    assert heartbeat(NOW).status == "ok"
    assert heartbeat(NOW + timedelta(seconds=2)).status == "late"
    second = IntervalSchedule.objects.create(every=1, period="seconds")
    PeriodicTask.objects.update(interval=second, date_changed=NOW - DAY)
    assert heartbeat(NOW).status == "ok"
    hour = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.update(interval=hour, date_changed=NOW - DAY)
    assert heartbeat(NOW + timedelta(minutes=176)).status == "ok"
    assert heartbeat(NOW + timedelta(minutes=178)).status == "late"


def test_a_long_run_counts_from_its_end() -> None:
    for task in TASKS:
        ran(task, 4 * MINUTE, duration_ms=90_000)
    assert heartbeat(NOW).status == "ok"


def test_when_everything_is_late_worker_beat_or_broker_stopped() -> None:
    all_ran(7 * MINUTE)
    found = heartbeat(NOW)
    assert found.stopped
    assert found.detail == (
        "Nothing has run for 7 min: check that a worker and one beat are running and that the broker answers."
    )


def test_beat_alone_shows_in_what_it_wrote_down() -> None:
    all_ran(DAY)
    PeriodicTask.objects.update(last_run_at=NOW - MINUTE, total_run_count=2000, date_changed=NOW)
    found = heartbeat(NOW)
    assert found.stopped
    assert "though beat has sent messages: check that a worker runs" in found.detail


def test_what_beat_wrote_down_before_the_last_run_does_not_show_that_it_lives() -> None:
    all_ran(4 * MINUTE)
    PeriodicTask.objects.update(last_run_at=NOW - 4 * MINUTE, total_run_count=2000, date_changed=NOW - 4 * MINUTE)
    found = heartbeat(NOW)
    assert found.stopped
    assert "a worker and one beat are running" in found.detail


def test_beat_that_sends_what_nobody_ever_took_does_not_move_the_grace() -> None:
    PeriodicTask.objects.update(last_run_at=NOW - MINUTE, total_run_count=5, date_changed=NOW)
    assert heartbeat(NOW).status == "late"


def test_one_that_is_late_names_its_schedule() -> None:
    all_ran(MINUTE)
    MaintenanceRun.objects.filter(task="cleanup").update(started_at=NOW - 7 * MINUTE)
    found = heartbeat(NOW)
    assert (found.status, found.stopped, statuses()) == ("late", False, ["late", "ok", "ok"])
    assert f'"clean up expired sessions" has not run for 7 min: check the row "{CLEAN_UP}"' in found.detail


def test_one_that_only_fails_says_why() -> None:
    all_ran(MINUTE)
    MaintenanceRun.objects.filter(task="cleanup").update(started_at=NOW - 7 * MINUTE)
    ran("cleanup", MINUTE, "failed", error="The store refused a command.")
    ran("cleanup", 2 * MINUTE, "killed", reason="The process ended.")
    found = heartbeat(NOW)
    assert (found.status, found.stopped, statuses()) == ("late", False, ["failing", "ok", "ok"])
    said = "The last one said: The store refused a command."
    assert found.detail == f'No run of "clean up expired sessions" has succeeded for 7 min. {said}'


def test_failures_that_stopped_too_are_no_excuse() -> None:
    all_ran(DAY)
    for task in TASKS:
        ran(task, timedelta(hours=1), "failed", error="The store cannot be reached.")
    assert statuses() == ["late"] * 3


def test_what_is_off_is_not_late() -> None:
    all_ran(MINUTE)
    MaintenanceRun.objects.filter(task="cleanup").delete()
    PeriodicTask.objects.filter(name=CLEAN_UP).update(enabled=False)
    found = heartbeat(NOW)
    assert (found.status, statuses()) == ("ok", ["off", "ok", "ok"])
    assert found.detail == "What is scheduled runs. Not scheduled: clean up expired sessions."
    PeriodicTask.objects.all().delete()
    found = heartbeat(NOW)
    assert (found.status, statuses()) == ("off", ["off"] * 3)
    assert "No schedule is enabled" in found.detail
    assert "Something ran 1 min ago" in found.detail


def test_switched_on_again_it_gets_its_grace() -> None:
    all_ran(30 * DAY)
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    row.enabled = False
    row.save()
    row.enabled = True
    row.save()
    now = timezone.now()
    assert heartbeat(now + MINUTE).beats[0].status == "ok"
    assert heartbeat(now + 4 * MINUTE).beats[0].status == "late"


def test_edited_while_beat_is_dead_it_gets_its_grace_once() -> None:
    PeriodicTask.objects.update(last_run_at=NOW - DAY, total_run_count=9000, date_changed=NOW - MINUTE)
    all_ran(DAY)
    assert heartbeat(NOW).status == "ok"
    assert heartbeat(NOW + 3 * MINUTE).status == "late"


def test_a_sample_shows_that_sampling_works() -> None:
    all_ran(MINUTE)
    MaintenanceRun.objects.filter(task="sample_memory").delete()
    MemorySample.objects.create(node="a:1", sampled_at=NOW - 2 * MINUTE)
    beat = heartbeat(NOW).beat("sample_memory")
    assert beat is not None
    assert (beat.status, beat.last_at) == ("ok", NOW - 2 * MINUTE)


def crontab(**fields: str) -> None:
    schedule = CrontabSchedule.objects.create(**fields)
    PeriodicTask.objects.filter(name=CLEAN_UP).update(interval=None, crontab=schedule)


def cleanup_status(now: datetime) -> str:
    beat = heartbeat(now).beat("cleanup")
    assert beat is not None
    return beat.status


def test_a_crontab_is_late_when_it_was_due_three_times() -> None:
    crontab(minute="*/5", hour="8-18", day_of_week="1-5", timezone="Europe/Vienna")
    friday_evening = datetime(2026, 3, 6, 17, 55, tzinfo=UTC)
    MaintenanceRun.objects.create(task="cleanup", trigger="beat", started_at=friday_evening, outcome="done")
    monday = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
    assert cleanup_status(monday - timedelta(hours=9)) == "ok"
    assert cleanup_status(monday + timedelta(minutes=9)) == "ok"
    assert cleanup_status(monday + timedelta(minutes=11)) == "late"
    [found] = read_schedules([WATCHED[MaintenanceRun.Task.CLEANUP]], monday)
    assert found.every_seconds == 300


def test_a_frequent_schedule_that_became_a_rare_one_has_counted_its_runs_at_another_pace() -> None:
    weekly = IntervalSchedule.objects.create(every=7, period="days")
    PeriodicTask.objects.update(interval=weekly, last_run_at=NOW - DAY, total_run_count=10**6, date_changed=NOW - DAY)
    all_ran(DAY)
    assert heartbeat(NOW).status == "ok"


def test_a_schedule_that_is_never_due_is_none() -> None:
    crontab(day_of_month="31", month_of_year="2")
    assert cleanup_status(NOW) == "off"


@pytest.mark.parametrize(
    "fields",
    [{"one_off": True}, {"start_time": NOW + MINUTE}, {"expires": NOW - MINUTE}],
    ids=["once", "not yet", "no more"],
)
def test_a_row_that_beat_would_not_send_now_is_none(fields: dict[str, Any]) -> None:
    PeriodicTask.objects.filter(name=CLEAN_UP).update(**fields)
    assert cleanup_status(NOW) == "off"


def test_of_two_rows_the_more_frequent_counts() -> None:
    ran("cleanup", 10 * MINUTE)
    day = IntervalSchedule.objects.create(every=1, period="days")
    row = PeriodicTask.objects.create(name="mine", task=WATCHED[MaintenanceRun.Task.CLEANUP], interval=day)
    PeriodicTask.objects.filter(pk=row.pk).update(date_changed=NOW - DAY)
    beat = heartbeat(NOW).beat("cleanup")
    assert beat is not None
    assert (beat.status, beat.every_seconds) == ("late", 60)


def test_without_celery_beat_nothing_is_scheduled() -> None:
    with modify_settings(INSTALLED_APPS={"remove": "django_celery_beat"}):
        assert heartbeat(NOW).status == "off"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [MaintenanceRun, MemorySample, PeriodicTask])
def test_a_table_that_is_not_there_is_said_and_costs_nothing_else(model: Any) -> None:
    table = model._meta.db_table
    with connection.schema_editor() as editor:
        editor.alter_db_table(model, table, "elsewhere")
    try:
        with transaction.atomic():
            found = heartbeat(NOW)
            assert IntervalSchedule.objects.exists()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(model, "elsewhere", table)
    assert (found.status, found.beats) == ("unknown", ())
    assert "migrate" in found.detail


def test_it_takes_three_queries_that_look_things_up() -> None:
    all_ran(MINUTE)
    with CaptureQueriesContext(connection) as asked:
        heartbeat(NOW)
    queries = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    assert len(queries) == 3
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]}")
            steps = [row[3] for row in cursor.fetchall()]
        assert not [step for step in steps if step.startswith("SCAN")]


def test_it_becomes_json() -> None:
    all_ran(MINUTE)
    found = heartbeat(NOW).as_dict()
    assert found["tasks"]["cleanup"] == {
        "status": "ok",
        "last_at": (NOW - MINUTE).isoformat(),
        "every_seconds": 60.0,
        "late": False,
        "never": False,
        "detail": "",
    }
