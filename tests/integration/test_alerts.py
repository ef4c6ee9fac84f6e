"""Alerts as rows: moved on by checks, by people, and by several of both at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from djust import totals
from djust.models import Alert, AlertMessage
from djust.monitoring.alerting import alerts
from djust.monitoring.alerting.alerts import AlertReport
from djust.monitoring.reading import LossReading
from djust.signals import alert_fired, alert_resolved
from tests.servers.http_receiver import HttpReceiver
from tests.servers.ports import HOST
from tests.servers.postgres import Postgres
from tests.servers.process import child_environment
from tests.unit.monitoring_support import MB, NODE, NOW, reading, server

ROOT = Path(__file__).resolve().parents[2]
URLS = ("json://user:secret@127.0.0.1:1/", "json://127.0.0.1:2/")
EVICTING = {"evicted": 5}
DAYS = timedelta(days=1)


@pytest.fixture(autouse=True)
def _receivers(settings: Any) -> None:
    settings.DJUST_CONFIG = {"ALERT_URLS": URLS}
    settings.ADMINS = [("Ann", "ann@example.org")]


def check(minute: float = 0, *, node: str = NODE, what: dict[str, Any] | None = None, **changes: Any) -> AlertReport:
    """One check, so many minutes after ``NOW``, of a healthy store unless something else is said."""
    now = NOW + timedelta(minutes=minute)
    values = {"last_sample_at": now, "last_cleanup_at": now} | (what or {})
    return alerts.evaluate(reading(server(node=node, sampled_at=now, **changes), now=now, **values))


def check_until(first: int, last: int, **changes: Any) -> list[AlertReport]:
    return [check(minute, **changes) for minute in range(first, last + 1)]


@pytest.mark.django_db
def test_an_eviction_fires_within_one_check_and_ends_after_the_calm(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    heard: list[tuple[str, str]] = []

    def hear_fired(alert: Alert, **_: Any) -> None:
        heard.append(("fired", alert.state))

    def hear_resolved(alert: Alert, **_: Any) -> None:
        heard.append(("resolved", alert.state))

    alert_fired.connect(hear_fired)
    alert_resolved.connect(hear_resolved)
    try:
        report = check(**EVICTING)
        (alert,) = report.fired
        assert report.open == [alert]
        reports = check_until(1, 11)
    finally:
        alert_fired.disconnect(hear_fired)
        alert_resolved.disconnect(hear_resolved)
    assert [len(one.resolved) for one in reports] == [0] * 10 + [1]
    assert reports[-1].open == []
    assert heard == [("fired", "firing"), ("resolved", "resolved")]
    alert.refresh_from_db()
    assert (alert.rule, alert.node, alert.state, alert.peak) == ("evictions", NODE, "resolved", 5)
    assert f"alert_fired rule=evictions node={NODE} severity=warning" in caplog.text
    assert f"alert_resolved rule=evictions node={NODE}" in caplog.text
    assert "duration_s=660.0" in caplog.text
    assert totals.read_all() == {"alerts_fired:evictions": 1}


@pytest.mark.django_db
def test_each_announcement_is_a_message_to_every_receiver() -> None:
    check(**EVICTING)
    check_until(1, 11)
    rows = AlertMessage.objects.order_by("pk")
    assert [(row.kind, row.channel) for row in rows] == [
        *(("fired", "email"), ("fired", "apprise"), ("fired", "apprise")),
        *(("resolved", "email"), ("resolved", "apprise"), ("resolved", "apprise")),
    ]
    assert len({row.target for row in rows}) == 3
    assert not [row for row in rows if "secret" in repr(vars(row))]
    fired, resolved = rows[0], rows[3]
    assert fired.subject == f"warning: evictions on {NODE}"
    assert f"{NODE} evicted 5 keys since the check before" in fired.body
    assert "5 keys in a check (threshold 1)" in fired.body
    assert "20,000 sessions x 2.0 kB" in fired.body
    assert f"To acknowledge or silence it: /admin/djust/alert/{fired.alert.pk}/change/" in fired.body
    assert resolved.subject == f"resolved: evictions on {NODE}"
    assert "It is over after 11 min." in resolved.body
    assert "At worst:  5 keys" in resolved.body


@pytest.mark.django_db
def test_the_messages_in_the_documentation_are_those_that_are_sent() -> None:
    page = (ROOT / "docs/alerts.md").read_text()
    losses = [LossReading(node=NODE, cause="evicted", sessions=1200)]
    (alert,) = check(used_bytes=95 * MB, what={"losses": losses}).fired
    check_until(1, 11)
    for row in AlertMessage.objects.filter(alert=alert, channel="email"):
        body = row.body.replace(f"/alert/{alert.pk}/", "/alert/7/")
        assert f"```text\n{row.subject}\n\n{body}```\n" in page


@pytest.mark.django_db
def test_a_message_links_to_the_site_where_its_address_is_known() -> None:
    with override_settings(DJUST_CONFIG={"SITE_URL": "https://shop.example.com/"}, ADMINS=["ann@a.example"]):
        check(**EVICTING)
    alert = Alert.objects.get()
    place = f"https://shop.example.com/admin/djust/alert/{alert.pk}/change/"
    assert f"To acknowledge or silence it: {place}" in AlertMessage.objects.get().body


@pytest.mark.django_db
def test_a_receiver_of_the_signal_that_fails_harms_nobody() -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError

    alert_fired.connect(fail)
    try:
        assert len(check(**EVICTING).fired) == 1
    finally:
        alert_fired.disconnect(fail)


@pytest.mark.django_db
def test_what_is_pending_is_not_open_and_may_vanish() -> None:
    full = {"used_bytes": 95 * MB}
    assert check(0, **full).open == []
    assert [row.state for row in Alert.objects.all()] == ["pending"]
    assert check(1).open == []
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_the_worst_comes_first() -> None:
    losses = [LossReading(node=NODE, cause="evicted", sessions=3)]
    report = check(what={"losses": losses}, **EVICTING)
    assert [alert.rule for alert in report.open] == ["sessions_lost", "evictions"]


@pytest.mark.django_db
def test_what_comes_back_in_the_cool_down_opens_its_row_again() -> None:
    check(**EVICTING)
    check_until(1, 11)
    report = check(12, **EVICTING)
    assert (report.fired, len(report.open)) == ([], 1)
    row = Alert.objects.get()
    assert (row.state, row.resolved_at, row.returns) == ("firing", None, 1)
    assert AlertMessage.objects.filter(channel="email").count() == 2


# People


@pytest.mark.django_db
def test_acknowledging_notes_who_did() -> None:
    (alert,) = check(**EVICTING).fired
    check(1, **EVICTING)  # The object is out of date now.
    assert alerts.acknowledge(alert, by="ann")
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "ann")
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "ann")
    assert check(2, **EVICTING).open == [alert]
    check_until(3, 13)
    assert not alerts.acknowledge(alert, by="ann")
    assert alert.state == "resolved"


@pytest.mark.django_db
def test_silence_lasts_until_it_ends_or_is_ended() -> None:
    (alert,) = check(**EVICTING).fired
    with pytest.raises(ValueError, match="a moment that is ahead"):
        alerts.silence(alert, NOW - DAYS, by="ann")
    until = timezone.now() + DAYS
    assert alerts.silence(alert, until, by="ann")
    check(1, **EVICTING)
    alert.refresh_from_db()
    assert (alert.state, alert.silenced_until, alert.silenced_by) == ("silenced", until, "ann")
    assert alerts.unsilence(alert, by="ann")
    assert not alerts.unsilence(alert, by="ann")
    alert.refresh_from_db()
    assert (alert.state, alert.silenced_until) == ("firing", None)


@pytest.mark.django_db
def test_what_does_not_fire_yet_cannot_be_acknowledged() -> None:
    check(used_bytes=95 * MB)
    pending = Alert.objects.get()
    assert not alerts.acknowledge(pending, by="ann")
    assert not alerts.silence(pending, timezone.now() + DAYS, by="ann")


@pytest.mark.django_db
def test_the_end_of_a_silenced_alert_is_logged_and_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    (alert,) = check(**EVICTING).fired
    alerts.silence(alert, timezone.now() + 10_000 * DAYS, by="ann")
    check_until(1, 11)
    assert "alert_resolved" in caplog.text
    assert not AlertMessage.objects.filter(kind="resolved").exists()


@pytest.mark.django_db
def test_a_mass_loss_is_told_of_though_one_loss_was_told_before(caplog: pytest.LogCaptureFixture) -> None:
    def lose(minute: int, sessions: int) -> AlertReport:
        return check(minute, what={"losses": [LossReading(node=NODE, cause="flushed", sessions=sessions)]})

    (alert,) = lose(0, 1).fired
    assert alerts.acknowledge(alert, by="ann")
    assert lose(1, 99).escalated == []
    assert lose(2, 3000).escalated == [alert]
    alert.refresh_from_db()
    assert (alert.state, alert.announced_value, alert.peak) == ("firing", 3000, 3000)
    message = AlertMessage.objects.filter(channel="email").last()
    assert message is not None
    assert (message.kind, message.subject) == ("escalated", f"worse, critical: sessions_lost on {NODE}")
    assert f"{NODE} lost 3,000 live sessions (flushed: 3,000) before their time." in message.body
    assert "kind=escalated" in caplog.text


# What no rule speaks of any more


@pytest.mark.django_db
def test_the_alert_of_a_rule_that_is_turned_off_ends_without_a_message(settings: Any) -> None:
    check(**EVICTING)
    settings.DJUST_CONFIG = settings.DJUST_CONFIG | {"ALERT_RULES": {"evictions": {"enabled": False}}}
    report = check(1, **EVICTING)
    assert [alert.rule for alert in report.resolved] == ["evictions"]
    assert not AlertMessage.objects.filter(kind="resolved").exists()


@pytest.mark.django_db
def test_the_alert_of_a_server_that_is_gone_is_stale_and_ends_after_a_day() -> None:
    other = "10.0.0.9:6379"
    check(**EVICTING)
    check(1, node=other)
    alert = Alert.objects.get()
    assert (alert.state, alert.stale) == ("firing", True)
    check(1441, node=other, what={"unreachable": "Connection refused."})
    alert.refresh_from_db()
    assert alert.state == "firing"
    check(1442, node=other)
    alert.refresh_from_db()
    assert alert.state == "resolved"
    assert not AlertMessage.objects.filter(kind="resolved").exists()


@pytest.mark.django_db
def test_what_is_pending_on_a_server_that_is_gone_vanishes() -> None:
    check(used_bytes=95 * MB)
    check(1441, node="10.0.0.9:6379")
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_the_alerts_of_a_store_that_cannot_be_judged_any_more_end_without_a_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    full = {"used_bytes": 95 * MB}
    check(**EVICTING, **full)
    report = alerts.close_all()
    assert [alert.rule for alert in report.resolved] == ["evictions"]
    assert [(row.rule, row.state) for row in Alert.objects.all()] == [("evictions", "resolved")]
    assert "alert_resolved rule=evictions" in caplog.text
    assert not AlertMessage.objects.filter(kind="resolved").exists()
    assert alerts.close_all() == AlertReport()


@pytest.mark.django_db
def test_while_the_store_is_away_the_rest_is_stale_and_no_more_fires() -> None:
    check(**EVICTING)
    away = {"unreachable": "Connection refused.", "last_cleanup_at": NOW - DAYS}
    reports = check_until(1, 30, what=away)
    assert [alert.rule for report in reports for alert in report.fired] == ["store_unreachable"]
    assert Alert.objects.get(rule="evictions").stale
    # The outage is no calm.
    reports = check_until(31, 41)
    assert {alert.rule for report in reports for alert in report.resolved} == {"store_unreachable", "evictions"}
    assert [report.resolved for report in reports[:-1]] == [[]] * 10


@pytest.mark.django_db
def test_old_alerts_are_forgotten_with_the_samples(settings: Any) -> None:
    settings.DJUST_CONFIG = {"SAMPLE_HISTORY_DAYS": 10}
    old = NOW - 11 * DAYS
    values = {"severity": "warning", "pending_since": old, "fired_at": old}
    Alert.objects.create(rule="evictions", node="old", state="resolved", resolved_at=old, **values)
    check(**EVICTING)
    check_until(1, 11)
    assert [alert.node for alert in Alert.objects.all()] == [NODE]


# Trouble of the database


@pytest.fixture
def without_alerts(transactional_db: None) -> Iterator[None]:
    """A database whose table of alerts is not there."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(Alert, "djust_alert", "elsewhere")
    yield
    with connection.schema_editor() as editor:
        editor.alter_db_table(Alert, "elsewhere", "djust_alert")


@pytest.mark.usefixtures("without_alerts")
def test_without_its_table_it_still_logs_what_no_later_check_would_find(caplog: pytest.LogCaptureFixture) -> None:
    report = check(used_bytes=95 * MB, **EVICTING)
    assert (report.fired, report.open) == ([], [])
    assert alerts.close_all() == AlertReport()
    assert "history_unavailable" in caplog.text
    assert "alert_fired rule=evictions" in caplog.text
    assert "recorded=False" in caplog.text
    assert "rule=memory_high" not in caplog.text


# Several workers

WORKER = """
import os
import sys
from datetime import datetime, timedelta
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from djust import totals
from djust.log import configure_logging
from djust.models import Alert
from djust.monitoring.alerting import alerts, notify
from tests.unit.monitoring_support import reading, server

configure_logging(json=True)
settings.DJUST_CONFIG = {"ALERT_URLS": [os.environ["RECEIVER"]]}

def check(minute, evicted):
    now = datetime.fromisoformat(os.environ["BEGAN"]) + timedelta(minutes=minute)
    servers = [server(node=f"10.0.0.{number}:6379", sampled_at=now, evicted=evicted) for number in range(6)]
    alerts.evaluate(reading(*servers, now=now, last_sample_at=now, last_cleanup_at=now))

def answer(command, *arguments):
    if command == "migrate":
        call_command("migrate", "djust", verbosity=0)
    elif command == "check":
        for _ in range(2):
            check(*map(int, arguments))
    elif command == "deliver":
        notify.deliver()
    elif command == "cut" and connection.vendor == "postgresql":
        connection.ensure_connection()
        connection.connection.close()  # As a restart of the database does.
    elif command == "show":
        return [*Alert.objects.values_list("rule", "state").distinct().order_by(), *totals.read_all().items()]

for line in sys.stdin:
    print(answer(*line.split()), flush=True)
"""


class Worker:
    """A process that checks when it is told to."""

    def __init__(self, database: str, receiver: str, began: str) -> None:
        variables = {"TEST_DATABASE_URL": database, "RECEIVER": receiver, "BEGAN": began}
        env = child_environment({"DJANGO_SETTINGS_MODULE": "tests.settings"} | variables)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=env, text=True, **pipes)

    def tell(self, command: str) -> None:
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        return self._process.stdout.readline().strip()

    def end(self) -> str:
        """End it and return what it wrote to its log."""
        log = self._process.communicate(timeout=60)[1]
        assert self._process.returncode == 0, log
        return log


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_workers_that_check_at_once_tell_of_it_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    database = _database(kind, tmp_path, request)
    with HttpReceiver() as receiver:
        began = (timezone.now() - timedelta(minutes=20)).isoformat()
        workers = [Worker(database, f"json://{HOST}:{receiver.port}/", began) for _ in range(2)]
        workers[0].tell("migrate")
        assert workers[0].answer() == "None"
        # Minute and evicted keys: ten minutes of calm end it.
        for command in ("check 0 5", "cut", "deliver", "check 5 0", "check 10 0", "check 15 0", "deliver"):
            for worker in workers:
                worker.tell(command)
            assert [worker.answer() for worker in workers] == ["None", "None"]
        workers[0].tell("show")
        shown = workers[0].answer()
        events = [json.loads(line)["event"] for worker in workers for line in worker.end().splitlines()]
    assert shown == "[('evictions', 'resolved'), ('alerts_fired:evictions', 6)]"
    told = [f"{what}: evictions on 10.0.0.{number}:6379" for what in ("resolved", "warning") for number in range(6)]
    assert sorted(posted["title"] for posted in receiver.received) == told
    assert Counter(event for event in events if event.startswith("alert_")) == {
        "alert_fired": 6,
        "alert_resolved": 6,
        "alert_sent": 12,
    }


def _database(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'db.sqlite3'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database(f"alerts_{tmp_path.name.replace('-', '_')}")
