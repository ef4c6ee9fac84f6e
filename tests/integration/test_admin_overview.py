"""The overview in Django admin: what it shows, to whom, and what its buttons do."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, PeriodicTask, PeriodicTasks, SolarSchedule

from djust.admin.ranges import RANGES
from djust.admin.schedules import next_run
from djust.admin.timeline import read_timeline
from djust.models import Alert, AlertMessage, MaintenanceRun, MemorySample, SessionLoss
from tests.servers.ports import free_port
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db
PAGE = "/admin/djust/overview/"
ALERTS = "/admin/djust/alert/"
CLEAN_UP = "djust: clean up expired sessions"
MEGABYTE = 2**20
NOON = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)


@pytest.fixture
def store(settings: Any, redis7: RedisServer, key_prefix: str) -> None:
    """Let the sessions live in Redis."""
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}


@pytest.fixture
def broker() -> Iterator[Celery]:
    """Celery's current app, whose broker a test may set."""
    app = current_app._get_current_object()
    before = app.conf.broker_url
    yield app
    app.conf.broker_url = before


@pytest.fixture
def alert() -> Alert:
    """An alert that fires."""
    return Alert.objects.create(
        rule="sessions_lost",
        severity="critical",
        state="firing",
        pending_since=timezone.now() - timedelta(minutes=7),
        fired_at=timezone.now() - timedelta(minutes=7),
        summary="37 live sessions lost.",
        advice="Raise maxmemory to 384mb.",
        peak=60,
    )


def person(*permissions: str) -> Client:
    """Return a browser in which a member of staff with these permissions is logged in."""
    user = User.objects.create_user("grace", password="pw", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def sample(at: datetime, node: str = "one:6379", **figures: Any) -> MemorySample:
    """Return a sample that is not saved yet."""
    usual = {"used_bytes": 50 * MEGABYTE, "limit_bytes": 100 * MEGABYTE, "span_seconds": 60}
    return MemorySample(
        node=node, sampled_at=at, **{**usual, "evicted": 0, "lost_estimate": 0, "sessions": 1000, **figures}
    )


def text_of(client: Client, address: str = PAGE) -> str:
    """Return a page with its white space made simple."""
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("\xa0", " ").split())


def drawing_of(page: str) -> dict[str, dict[str, Any]]:
    """Return what the page's script draws, by the name of the chart."""
    [found] = re.findall(r'<script id="djust-drawing" type="application/json">(.*?)</script>', page)
    return {chart["name"]: chart for chart in json.loads(found)["charts"]}


# Who sees what


def test_the_page_needs_its_permission() -> None:
    assert Client().get(PAGE).status_code == 302
    assert person("view_maintenancerun").get(PAGE).status_code == 403


def test_who_may_only_look_has_no_buttons(store: None, alert: Alert) -> None:
    client = person("view_overview")
    page = text_of(client)
    assert "37 live sessions lost." in page
    assert "Raise maxmemory to 384mb." in page
    assert CLEAN_UP in page
    main = page[page.index('id="content-main"') :]
    assert "<form" not in main
    assert "<button" not in main
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    for address in (
        f"{ALERTS}{alert.pk}/acknowledge/",
        f"{ALERTS}{alert.pk}/silence/",
        f"{ALERTS}{alert.pk}/unsilence/",
        f"{PAGE}schedule/{row.pk}/switch/",
        f"{PAGE}schedule/{row.pk}/run/",
    ):
        assert client.post(address).status_code == 403
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("permission", "buttons"),
    [
        ("acknowledge_alert", {"acknowledge": 1}),
        ("silence_alert", {"silence": 1}),
        ("run_maintenance", {"run": 5}),
        ("change_periodictask", {"switch": 5}),
    ],
)
def test_each_permission_brings_its_buttons(alert: Alert, permission: str, buttons: dict[str, int]) -> None:
    page = text_of(person("view_overview", permission))
    names = re.findall(r'action="/admin/djust/[^"]*/(\w+)/"', page)
    assert {name: names.count(name) for name in names} == buttons


def test_there_is_nothing_to_add_to_change_or_to_delete(admin_client: Client) -> None:
    MemorySample.objects.create(node="one:6379", sampled_at=timezone.now())
    for address in ("add/", "1/change/", "1/delete/", "1/history/"):
        assert admin_client.get(PAGE + address).status_code == 404
    for model in ("memorysample", "sessionloss", "alert"):
        assert admin_client.get(f"/admin/djust/{model}/add/").status_code == 403
    for model in ("monitorstate", "total", "alertmessage"):
        assert admin_client.get(f"/admin/djust/{model}/").status_code == 404


def test_buttons_need_a_post_and_a_token(admin_client: Client, alert: Alert) -> None:
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="admin"))
    for address in (
        f"{ALERTS}{alert.pk}/acknowledge/",
        f"{ALERTS}{alert.pk}/silence/",
        f"{ALERTS}{alert.pk}/unsilence/",
        f"{PAGE}schedule/{row.pk}/switch/",
        f"{PAGE}schedule/{row.pk}/run/",
    ):
        assert admin_client.get(address).status_code == 405
        assert strict.post(address).status_code == 403
    alert.refresh_from_db()
    row.refresh_from_db()
    assert (alert.state, row.enabled) == ("firing", True)


# Alerts


def test_an_alert_is_acknowledged_silenced_and_heard_again(alert: Alert) -> None:
    client = person("view_overview", "acknowledge_alert", "silence_alert")

    def press(button: str, **fields: str) -> str:
        answer = client.post(f"{ALERTS}{alert.pk}/{button}/", {"next": f"{PAGE}?range=7d", **fields}, follow=True)
        assert answer.redirect_chain == [(f"{PAGE}?range=7d", 302)]
        alert.refresh_from_db()
        return " ".join(answer.content.decode().split())

    page = press("acknowledge")
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "grace")
    assert "Acknowledged: Sessions lost" in page
    assert "acknowledged by grace" in page
    assert f"{alert.pk}/acknowledge/" not in page
    page = press("silence", hours="8")
    assert (alert.state, alert.silenced_by) == ("silenced", "grace")
    assert alert.silenced_until is not None
    assert timedelta(hours=7.9) < alert.silenced_until - timezone.now() <= timedelta(hours=8)
    assert "silenced by grace until" in page
    assert f"{alert.pk}/silence/" not in page
    press("unsilence")
    assert alert.state == "acknowledged"
    written = LogEntry.objects.order_by("pk").values_list("change_message", "object_id", "user__username")
    assert list(written) == [
        (text, str(alert.pk), "grace")
        for text in (
            "Acknowledged: Sessions lost",
            "Silenced for 8 h: Sessions lost",
            "No longer silenced: Sessions lost",
        )
    ]


def test_what_is_over_or_unknown_is_left_alone(admin_client: Client, alert: Alert) -> None:
    assert admin_client.post(f"{ALERTS}{alert.pk}/silence/", {"hours": "1000"}).status_code == 400
    assert admin_client.post(f"{ALERTS}{alert.pk + 1}/acknowledge/").status_code == 404
    Alert.objects.update(state="resolved", resolved_at=timezone.now())
    answer = admin_client.post(f"{ALERTS}{alert.pk}/acknowledge/", {"next": "//elsewhere.example/"}, follow=True)
    assert answer.redirect_chain == [(f"{ALERTS}{alert.pk}/change/", 302)]
    assert "Sessions lost is resolved: nothing was changed." in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_an_alert_has_a_page_with_its_messages(admin_client: Client, alert: Alert) -> None:
    moment = datetime(2026, 11, 24, 8, 15, tzinfo=UTC)
    common = {"alert": alert, "kind": "fired", "body": "...", "created_at": moment}
    AlertMessage.objects.create(**common, channel="email", subject="By mail", attempts=1, sent_at=moment)
    AlertMessage.objects.create(**common, channel="apprise", subject="By chat", attempts=2, error="No <answer>.")
    page = text_of(admin_client, f"{ALERTS}{alert.pk}/change/")
    assert "Raise maxmemory to 384mb." in page
    assert f"{alert.pk}/acknowledge/" in page
    assert "given up" in page
    assert "60 (sessions in a check)" in page
    assert "No &lt;answer&gt;." in page
    assert "sent 24 Nov 2026, 08:15:00 UTC" in page
    assert admin_client.post(f"{ALERTS}{alert.pk}/change/", {"state": "resolved"}).status_code == 403
    listed = text_of(admin_client, ALERTS)
    assert "✗ critical" in listed
    assert "! firing" in listed
    assert '<td class="field-peak_figure">60</td>' in listed
    for filters in ("state__exact=firing", "severity__exact=critical", "rule=sessions_lost", "q=lost"):
        assert "1 alert" in text_of(admin_client, f"{ALERTS}?{filters}")


# Schedules


def test_a_schedule_is_turned_off_and_on(admin_client: Client) -> None:
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    for value, enabled, word in (("0", False, "off"), ("1", True, "on")):
        before = PeriodicTasks.last_change()
        page = admin_client.post(f"{PAGE}schedule/{row.pk}/switch/", {"enabled": value}, follow=True).content.decode()
        row.refresh_from_db()
        assert row.enabled is enabled
        assert f"Turned {word}: {CLEAN_UP}" in page
        assert PeriodicTasks.last_change() != before  # Beat hears of it.
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(row.pk)] * 2


def test_a_switched_schedule_stays_in_its_place(admin_client: Client) -> None:
    def names() -> list[str]:
        return re.findall(r'class="djust-name">([^<]+)<', text_of(admin_client))

    before = names()
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    answer = admin_client.post(f"{PAGE}schedule/{row.pk}/switch/", {"enabled": "0"})
    assert answer.headers["Location"] == f"{PAGE}#djust-schedules"
    assert names() == before == sorted(before)


def test_what_is_off_is_not_on_time(admin_client: Client, store: None) -> None:
    for task in ("cleanup", "sample_memory", "check_evictions"):
        MaintenanceRun.objects.create(task=task, trigger="beat", started_at=timezone.now(), outcome="done")
    assert "<strong>On time</strong>" in text_of(admin_client)
    PeriodicTask.objects.filter(name=CLEAN_UP).update(enabled=False)
    page = text_of(admin_client)
    assert "djust-verdict-attention" in page
    assert "<strong>Partly off</strong> <span>off: clean up expired sessions</span>" in page
    assert "clean-up is switched off" in page


def test_schedules_of_others_are_not_touched(admin_client: Client) -> None:
    interval = PeriodicTask.objects.get(name=CLEAN_UP).interval
    row = PeriodicTask.objects.create(name="theirs", task="app.work", interval=interval)
    assert "theirs" not in text_of(admin_client)
    for button in ("switch", "run"):
        assert admin_client.post(f"{PAGE}schedule/{row.pk}/{button}/").status_code == 404


def test_run_now_sends_the_arguments_of_the_schedule(
    admin_client: Client, broker: Celery, redis7: RedisServer
) -> None:
    broker.conf.broker_url = f"redis://{redis7.host}:{redis7.port}/8"
    PeriodicTask.objects.filter(name="djust: reconcile").update(kwargs='{"repair": ["index"]}', queue="slow")
    row = PeriodicTask.objects.get(name="djust: reconcile")
    with redis.Redis(host=redis7.host, port=redis7.port, db=8) as client:
        client.delete("slow")
        page = admin_client.post(f"{PAGE}schedule/{row.pk}/run/", {"next": PAGE}, follow=True).content.decode()
        [message] = client.lrange("slow", 0, -1)
        client.delete("slow", "_kombu.binding.slow")
    assert "Queued: reconcile" in page
    headers = json.loads(message)["headers"]
    assert headers["task"] == "djust.tasks.reconcile"
    assert headers["kwargsrepr"] == "{'repair': ['index']}"
    assert headers["djust_triggered_by"] == "admin"
    assert "Queued: reconcile" in LogEntry.objects.get().change_message


def test_run_now_says_what_went_wrong(admin_client: Client, broker: Celery) -> None:
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    broker.conf.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    page = admin_client.post(f"{PAGE}schedule/{row.pk}/run/", follow=True).content.decode()
    assert "The Celery broker cannot be reached" in page
    PeriodicTask.objects.update(kwargs="{oops")
    page = admin_client.post(f"{PAGE}schedule/{row.pk}/run/", follow=True).content.decode()
    assert "are not JSON that beat can send" in page
    assert not LogEntry.objects.exists()


def test_a_task_without_a_schedule_can_still_be_run(admin_client: Client) -> None:
    PeriodicTask.objects.filter(name="djust: reconcile").delete()
    page = text_of(admin_client)
    assert "no schedule" in page
    assert page.count("/djust/maintenancerun/run/reconcile/") == 1


@pytest.mark.parametrize(
    ("changes", "seconds", "why"),
    [
        ({"last_run_at": NOON - timedelta(seconds=20)}, 40, ""),
        ({"last_run_at": None, "date_changed": NOON - timedelta(seconds=50)}, 10, ""),
        ({"last_run_at": NOON - timedelta(hours=1)}, -3540, ""),
        ({"enabled": False}, None, "off"),
        ({"expires": NOON}, None, "expired"),
        ({"one_off": True, "total_run_count": 1}, None, "done"),
        ({"start_time": NOON + timedelta(hours=2)}, 7200, ""),
        ({"start_time": NOON - timedelta(hours=2)}, 0, ""),
        ({"interval": None}, None, "no schedule"),
    ],
)
def test_the_next_run(changes: dict[str, Any], seconds: float | None, why: str) -> None:
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    for name, value in changes.items():
        setattr(row, name, value)
    moment, reason = next_run(row, NOON)
    assert reason == why
    assert (None if moment is None else (moment - NOON).total_seconds()) == seconds


def test_the_next_run_of_other_kinds_of_schedules() -> None:
    now = timezone.now()
    row = PeriodicTask.objects.get(name=CLEAN_UP)
    row.interval, row.last_run_at = None, now
    row.clocked = ClockedSchedule(clocked_time=now + timedelta(days=1))
    assert next_run(row, now) == (now + timedelta(days=1), "")
    row.clocked, row.crontab = None, CrontabSchedule(minute="30", hour="3", timezone="Asia/Tokyo")
    moment, _ = next_run(row, now)
    assert moment is not None
    assert (moment + timedelta(seconds=0.5)).astimezone(UTC).strftime("%H:%M") == "18:30"
    assert timedelta(0) < moment - now <= timedelta(days=1)
    # Without the package that knows the sun, nobody knows.
    row.crontab, row.solar = None, SolarSchedule(event="sunrise", latitude=50, longitude=8)
    assert next_run(row, now) == (None, "not known")


def test_beat_notes_what_it_sent_later_than_the_history_does(admin_client: Client) -> None:
    now = timezone.now()
    PeriodicTask.objects.filter(name=CLEAN_UP).update(last_run_at=now - timedelta(minutes=3))
    MaintenanceRun.objects.create(
        task="cleanup", trigger="beat", triggered_by=CLEAN_UP, started_at=now - timedelta(seconds=5), outcome="done"
    )
    page = text_of(admin_client)
    row = page[page.index(CLEAN_UP) :]
    assert re.search(r"in \d\d s</time>", row[: row.index("</tr>")])


def test_what_beat_sent_and_nobody_ran_leads_to_the_worker(admin_client: Client) -> None:
    now = timezone.now()

    def row() -> str:
        page = text_of(admin_client)
        page = page[page.index(f'djust-name">{CLEAN_UP}') :]
        return page[: page.index("</tr>")]

    MaintenanceRun.objects.create(
        task="cleanup", trigger="beat", triggered_by=CLEAN_UP, started_at=now - timedelta(minutes=4), outcome="done"
    )
    sent = now - timedelta(seconds=130)
    PeriodicTask.objects.filter(name=CLEAN_UP).update(last_run_at=sent, total_run_count=90, date_changed=sent)
    assert re.search(
        r">in \d+ s</time> <strong .*sent <time [^>]+>2 min ago</time>, not run: look at the worker", row()
    )
    # Beat itself is silent.
    sent = now - timedelta(minutes=4, seconds=1)
    PeriodicTask.objects.filter(name=CLEAN_UP).update(last_run_at=sent)
    assert re.search(r"was due <time [^>]+>3 min ago</time>", row())
    assert "not run" not in row()


# Figures over time


def test_what_is_used_stands_beside_its_own_limit(store: None) -> None:
    now = timezone.now()
    at = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0) - timedelta(minutes=5)
    MemorySample.objects.bulk_create(
        [
            sample(now - timedelta(days=1), sessions=None),
            sample(at, used_bytes=39 * MEGABYTE, limit_bytes=40 * MEGABYTE),
            sample(at + timedelta(minutes=1), used_bytes=50 * MEGABYTE, limit_bytes=64 * MEGABYTE),
            sample(at + timedelta(minutes=2), used_bytes=16 * MEGABYTE, limit_bytes=64 * MEGABYTE, sessions=123),
        ]
    )
    page = text_of(person("view_overview"))
    assert "Latest: 16 MB of 64 MB (25 %). Highest: 97.5 %" in page
    assert "<strong>25 %</strong> <span>16 MB of 64 MB</span>" in page
    assert drawing_of(page)["memory"]["points"][-1][2:] == [39, 40]
    assert "<td>39 MB</td><td>40 MB</td><td>97.5 %</td>" in page
    assert "Latest sample: 123. Between 123 and 708." in page


def test_a_young_site_is_shown_an_hour(store: None) -> None:
    client = person("view_overview")

    def shown(query: str = "") -> list[str]:
        return re.findall(r'href="\?range=(\w+)" aria-current', text_of(client, PAGE + query))

    assert shown() == ["1h"]
    MemorySample.objects.bulk_create([sample(timezone.now() - timedelta(hours=2))])
    assert (shown(), shown("?range=7d")) == (["1h"], ["7d"])
    MemorySample.objects.bulk_create([sample(timezone.now() - timedelta(hours=4))])
    assert shown() == ["24h"]


def test_the_page_asks_few_queries_however_much_there_is(admin_client: Client, store: None) -> None:
    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            text_of(admin_client, address)
        return len(captured)

    assert queries(PAGE) <= 34
    now = timezone.now()
    MemorySample.objects.bulk_create(sample(now - timedelta(hours=6 * n), evicted=n % 3) for n in range(4 * 366))
    SessionLoss.objects.bulk_create(
        SessionLoss(found_at=now - timedelta(days=n), cause="evicted", sessions=5, labels={"/a/": 5})
        for n in range(366)
    )
    MaintenanceRun.objects.bulk_create(
        MaintenanceRun(
            task="cleanup",
            trigger="beat",
            started_at=now - timedelta(minutes=30 * n),
            outcome="done",
            removed=7,
            figures={"remaining": n % 5},
        )
        for n in range(500)
    )
    for name, span in RANGES.items():
        assert queries(f"{PAGE}?range={name}") <= 34
        page = text_of(admin_client, f"{PAGE}?range={name}")
        assert f'href="?range={name}" aria-current="true"' in page
        for chart in drawing_of(page).values():
            assert 0 < len(chart["points"]) <= span.span / span.step + 2


def test_what_was_not_sampled_is_a_gap(store: None) -> None:
    minutes = [n for n in range(60) if not 20 <= n < 40]
    MemorySample.objects.bulk_create(sample(timezone.now() - timedelta(minutes=n)) for n in minutes)
    chart = drawing_of(text_of(person("view_overview"), f"{PAGE}?range=1h"))["memory"]
    empty = [at for at, (_, _, *values) in enumerate(chart["points"]) if values == [None, None]]
    assert len(empty) == 1
    assert len(chart["points"]) == len(minutes) + 1


def test_samples_that_are_taken_rarely_make_one_line(store: None) -> None:
    MemorySample.objects.bulk_create(sample(timezone.now() - timedelta(minutes=5 * n)) for n in range(12))
    chart = drawing_of(text_of(person("view_overview"), f"{PAGE}?range=1h"))["memory"]
    assert [values for _, _, *values in chart["points"]] == [[50, 100]] * 12


def test_of_several_servers_the_fullest_is_shown_and_counts_are_added(store: None) -> None:
    now = timezone.now()
    MemorySample.objects.bulk_create(
        [
            sample(now, "one:1", used_bytes=90 * MEGABYTE, limit_bytes=200 * MEGABYTE, evicted=3),
            sample(now, "two:2", used_bytes=80 * MEGABYTE, limit_bytes=100 * MEGABYTE, evicted=4, sessions=500),
        ]
    )
    page = text_of(person("view_overview"), f"{PAGE}?range=1h")
    charts = drawing_of(page)
    assert "Memory of the fullest server" in page
    assert "80 MB of 100 MB" in page
    assert charts["memory"]["points"][-1][2:] == [80, 100]
    assert charts["losses"]["points"][-1][2:] == [7, 0]
    assert charts["sessions"]["points"][-1][2:] == [1500]


def test_a_server_that_takes_over_is_not_counted_twice() -> None:
    MemorySample.objects.bulk_create(
        [
            *(sample(NOON - timedelta(hours=n), "old:1", used_bytes=60 * MEGABYTE) for n in range(13, 25)),
            *(sample(NOON - timedelta(hours=n), "new:2") for n in range(13)),
        ]
    )
    [*_, yesterday, today] = read_timeline(RANGES["1y"], NOON).intervals
    assert (yesterday.sessions, today.sessions) == (1000, 1000)
    assert (yesterday.node, today.node) == ("old:1", "new:2")


def test_a_figure_that_a_server_does_not_give_is_no_zero() -> None:
    MemorySample.objects.bulk_create(
        [sample(NOON, used_bytes=None, limit_bytes=None, evicted=None, sessions=None, lost_estimate=None)]
    )
    [interval] = read_timeline(RANGES["1h"], NOON).intervals
    seen = (interval.used_bytes, interval.usage, interval.evicted, interval.sessions, interval.lost)
    assert seen == (None,) * 5


def test_figures_can_be_read_without_the_charts(store: None) -> None:
    now = timezone.now()
    MemorySample.objects.bulk_create([sample(now, evicted=12_345)])
    SessionLoss.objects.create(found_at=now, cause="evicted", sessions=37, labels={"/packing/": 30, "": 7})
    SessionLoss.objects.create(found_at=now, cause="restart", sessions=5200, estimated=True)
    MaintenanceRun.objects.create(
        task="cleanup", trigger="beat", started_at=now, outcome="partial", removed=9876, figures={"remaining": 4321}
    )
    page = text_of(person("view_overview"), f"{PAGE}?range=1h")
    assert "<td>50 MB</td><td>100 MB</td><td>50 %</td>" in page
    assert "<td>12,345</td><td>5,237</td>" in page
    assert "<td>1,000</td>" in page
    assert "<td>1</td><td>9,876</td><td>4,321</td>" in page
    assert "Keys evicted: 12,345. Live sessions lost: 5,237." in page
    assert "≈ 5,200" in page
    assert '<th scope="row">/packing/</th><td data-label="Sessions">30</td>' in page


# Nothing to show


def test_with_the_memory_backend_there_is_nothing_to_sample(admin_client: Client) -> None:
    page = text_of(admin_client)
    assert "Not applicable: the memory backend keeps sessions in each web process." in page
    assert "each web process removes its own expired sessions" in page
    assert drawing_of(page) == {}


def test_at_first_the_page_says_what_to_start(admin_client: Client, store: None) -> None:
    page = text_of(admin_client)
    for words in (
        "No samples yet.",
        "No clean-up yet.",
        "No alert is open.",
        "No task has run yet.",
        "No live session was found lost.",
        "never",
    ):
        assert words in page


def test_the_page_says_why_a_figure_is_missing(admin_client: Client, store: None) -> None:
    why = {"sessions": "Redis does not allow the script <this>."}
    MemorySample.objects.bulk_create([sample(timezone.now(), sessions=None, evicted=None, unavailable=why)])
    page = text_of(admin_client)
    assert "Unavailable: Redis does not allow the script &lt;this&gt;." in page
    assert "Keys evicted: not known. Live sessions lost: 0." in page
    assert drawing_of(page).keys() == {"memory", "losses"}


def test_the_page_says_why_there_are_no_samples(admin_client: Client, store: None) -> None:
    run = MaintenanceRun.objects.create(
        task="sample_memory", trigger="beat", started_at=timezone.now(), outcome="failed", error="Redis is away."
    )
    assert "The last run failed: Redis is away." in text_of(admin_client)
    run.outcome, run.reason = "not_applicable", "No server."
    run.save()
    assert "Not applicable: No server." in text_of(admin_client)
    run.outcome = "done"
    run.save()
    MemorySample.objects.bulk_create([sample(timezone.now() - timedelta(days=3))])
    assert "No samples in this time. Choose a longer one." in text_of(admin_client)


def test_a_store_that_is_away_is_said_first(admin_client: Client, settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    page = text_of(admin_client)
    assert 'class="djust-verdict djust-verdict-trouble"' in page
    assert "The store does not answer" in page


def test_without_django_celery_beat_the_page_says_so(tmp_path: Path) -> None:
    code = """
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client()
client.force_login(User.objects.create_superuser("ada"))
answer = client.get("/admin/djust/overview/")
print(answer.status_code, client.post("/admin/djust/overview/schedule/1/switch/").status_code)
print(answer.content.decode())
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        check=False,
        capture_output=True,
        text=True,
        env=child_environment(
            {"DJANGO_SETTINGS_MODULE": "tests.settings_without_beat", "TEST_DATABASE_URL": "sqlite://"}
        ),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200 404\n")
    assert "django-celery-beat is not in INSTALLED_APPS" in done.stdout
    assert done.stdout.count("/admin/djust/maintenancerun/run/") == 5


# The library


def test_the_chart_library_comes_from_this_site(admin_client: Client) -> None:
    page = text_of(admin_client)
    [address] = re.findall(r'<script src="(/admin/djust/overview/chart\.js\?v=[^"]+)" defer>', page)
    plain = admin_client.get(address)
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "max-age=31536000" in plain.headers["Cache-Control"]
    assert b"Chart.js v" in plain.content[:100]
    packed = admin_client.get(address, headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert Client().get(address).status_code == 302


def test_nothing_on_the_page_runs_inline(admin_client: Client, store: None) -> None:
    page = text_of(admin_client)
    main = page[page.index('id="content-main"') :]
    assert not re.findall(r"\son\w+=|\sstyle=|<style|javascript:", main)
    assert [
        tag for tag in re.findall(r"<script[^>]*>", main) if "src=" not in tag and "application/json" not in tag
    ] == []


# The lists behind the page


def test_samples_and_losses_are_listed(admin_client: Client) -> None:
    now = NOON
    MemorySample.objects.bulk_create([sample(now, rss_bytes=None, unavailable={"rss_bytes": "INFO was refused."})])
    loss = SessionLoss.objects.create(found_at=now, cause="flushed", sessions=1234, estimated=True, labels={"/a/": 3})
    page = text_of(admin_client, "/admin/djust/memorysample/")
    assert "50 MB" in page
    assert "50 %" in page
    assert "24 Nov 2026, 12:00:30 UTC" in page
    one = MemorySample.objects.get()
    page = text_of(admin_client, f"/admin/djust/memorysample/{one.pk}/change/")
    assert "unavailable: INFO was refused." in page
    assert "24 Nov 2026, 12:00:30 UTC" in page
    page = text_of(admin_client, "/admin/djust/sessionloss/")
    assert "≈ 1,234" in page
    assert "/a/: 3" in page
    assert "24 Nov 2026, 12:00:30 UTC" in page
    assert admin_client.post(f"/admin/djust/sessionloss/{loss.pk}/delete/", {"post": "yes"}).status_code == 403
