"""The figures for Prometheus."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from prometheus_client.parser import text_string_to_metric_families

from djust import totals
from djust.maintenance import record_run
from djust.models import Alert, MaintenanceRun, MemorySample, Total
from djust.monitoring.status.heartbeat import WATCHED
from djust.monitoring.status.metrics import METRICS
from djust.state_backend import get_backend
from tests.servers.process import child_environment
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

CANARY = "canary-pa55word"
ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "/djust/metrics/"

# The database is read in a thread of its own, which sees what was committed.
pytestmark = pytest.mark.django_db(transaction=True)


def parse(text: str) -> dict[str, float]:
    """Return the figures by name and labels: ``name{a="b"}``."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrape(client: Client) -> dict[str, float]:
    answer = client.get(ADDRESS)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return parse(answer.content.decode())


@pytest.fixture
def store(redis7: RedisServer, key_prefix: str) -> Iterator[None]:
    config = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    with override_settings(DJUST_CONFIG=config):
        yield
        get_backend().delete_all()


def everything() -> None:
    """Write a row of each kind, so that every figure has a value."""
    now = timezone.now()
    for task in WATCHED:
        with record_run(task, trigger="beat") as run:
            run.removed = 5 if task == "cleanup" else 0
    MemorySample.objects.create(
        node="cache:6379",
        sampled_at=now,
        used_bytes=50,
        limit_bytes=200,
        limit_source="maxmemory",
        policy="volatile-lru",
        rss_bytes=70,
        fragmentation=1.4,
        clients=3,
        sessions=10,
        bytes_per_session=4.5,
        bytes_per_session_margin=0.5,
        index_bytes=20,
        seconds_to_full=7200,
    )
    totals.add("sessions_lost:evicted", 4)
    totals.add("evicted_keys", 6)
    totals.add("alerts_fired:memory_high")
    Alert.objects.create(
        rule="memory_high", node="cache:6379", severity="warning", state="firing", pending_since=now, fired_at=now
    )


def test_every_figure_with_its_kind_and_what_it_means(store: None, client: Client) -> None:
    everything()
    backend = get_backend()
    backend.set("live", {})
    backend.set("over", {}, ttl=0.05)
    wait_until(lambda: backend.count_due() == 1, what="a session to be due")
    text = client.get(ADDRESS).content.decode()
    found = parse(text)
    assert {re.sub(r"\{.*", "", name) for name in found} == set(METRICS)
    for name, metric in METRICS.items():
        assert f"# TYPE {name} {metric.kind}\n" in text
        assert f"# HELP {name} {metric.help}\n" in text
        assert (metric.kind == "counter") == name.endswith("_total")
    expected = {
        "djust_store_up": 1,
        "djust_database_up": 1,
        "djust_sessions_live": 1,
        "djust_sessions_overdue": 1,
        "djust_sessions_removed_total": 5,
        'djust_sessions_lost_total{cause="evicted"}': 4,
        'djust_sessions_lost_total{cause="restart"}': 0,
        "djust_evicted_keys_total": 6,
        'djust_server_memory_usage_ratio{node="cache:6379"}': 0.25,
        'djust_server_memory_limit_bytes{node="cache:6379",source="maxmemory"}': 200,
        'djust_server_policy_info{node="cache:6379",policy="volatile-lru"}': 1,
        'djust_server_full_seconds{node="cache:6379"}': 7200,
        'djust_heartbeat_ok{task="cleanup"}': 1,
        'djust_maintenance_interval_seconds{task="cleanup"}': 60,
        'djust_maintenance_runs_total{outcome="done",task="cleanup"}': 1,
        'djust_maintenance_runs_total{outcome="failed",task="cleanup"}': 0,
        'djust_alerts_open{node="cache:6379",rule="memory_high",severity="warning",state="firing"}': 1,
        'djust_alerts_fired_total{rule="memory_high"}': 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["djust_sessions_oldest_overdue_seconds"] > 0


def test_what_is_not_known_is_left_out(store: None, client: Client) -> None:
    now = timezone.now()
    MemorySample.objects.create(node="a:1", sampled_at=now, used_bytes=0, unavailable={"limit_bytes": "no right"})
    PeriodicTask.objects.filter(task=WATCHED[MaintenanceRun.Task.CLEANUP]).update(enabled=False)
    found = scrape(client)
    shown = {name for name in found if "a:1" in name}
    assert shown == {
        'djust_server_memory_used_bytes{node="a:1"}',
        'djust_server_sampled_timestamp_seconds{node="a:1"}',
    }
    assert found['djust_server_memory_used_bytes{node="a:1"}'] == 0
    assert found["djust_sessions_overdue"] == 0
    assert not [name for name in found if "oldest" in name]
    assert not [name for name in found if "last_success" in name and "sample_memory" not in name]
    assert not [name for name in found if name.startswith("djust_heartbeat_ok") and "cleanup" in name]


def test_a_sample_of_yesterday_is_not_shown_as_todays(store: None, client: Client) -> None:
    MemorySample.objects.create(node="a:1", sampled_at=timezone.now() - timedelta(days=1), used_bytes=5)
    assert [name for name in scrape(client) if "a:1" in name] == ['djust_server_sampled_timestamp_seconds{node="a:1"}']


def test_a_late_task_is_zero(store: None, client: Client) -> None:
    PeriodicTask.objects.update(date_changed=timezone.now() - timedelta(days=1))
    found = scrape(client)
    assert {name: found[name] for name in found if name.startswith("djust_heartbeat_ok")} == {
        f'djust_heartbeat_ok{{task="{task}"}}': 0 for task in WATCHED
    }


def test_counters_do_not_fall_when_history_is_pruned(store: None, client: Client) -> None:
    everything()
    before = scrape(client)
    MaintenanceRun.objects.all().delete()
    MemorySample.objects.all().delete()
    Alert.objects.all().delete()
    after = scrape(client)
    counters = {name for name in before if "_total" in name}
    assert {name: after[name] for name in counters} == {name: before[name] for name in counters}


def test_a_store_that_is_away(redis_server: Callable[..., RedisServer], client: Client) -> None:
    server = redis_server(password=CANARY)
    everything()
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": server.url}):
        assert scrape(client)["djust_store_up"] == 1
        server.kill()
        found = scrape(client)
        get_backend().close()
    assert (found["djust_store_up"], found["djust_database_up"]) == (0, 1)
    assert found['djust_server_memory_used_bytes{node="cache:6379"}'] == 50
    assert not [name for name in found if name.startswith("djust_sessions_live")]


def test_settings_that_cannot_be_used_say_so(client: Client) -> None:
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "rediss", "METRICS_TOKEN": CANARY}):
        assert client.get(ADDRESS).status_code == 401
        found = client.get(ADDRESS, headers={"Authorization": f"Bearer {CANARY}"}).content.decode()
        assert parse(found)["djust_store_up"] == 0
    # A token that cannot be read lets nobody in.
    with override_settings(DJUST_CONFIG={"METRICS_TOKENS": CANARY}):
        answer = client.get(ADDRESS)
    assert answer.status_code == 503
    assert CANARY not in answer.content.decode()


def test_a_database_without_our_tables(store: None, client: Client) -> None:
    with connection.schema_editor() as editor:
        editor.alter_db_table(Total, "djust_total", "elsewhere")
    try:
        found = scrape(client)
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Total, "elsewhere", "djust_total")
    assert (found["djust_store_up"], found["djust_database_up"]) == (1, 0)
    assert not [name for name in found if "_total" in name]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        (f"Basic {CANARY}", 401),
        (f"Bearer {CANARY}x", 401),
        ("Bearer gän", 401),
        (f"Bearer {CANARY}", 200),
        (f"bearer  {CANARY} ", 200),
    ],
)
def test_a_token_is_asked_for(header: str | None, status: int, client: Client) -> None:
    headers = {} if header is None else {"Authorization": header}
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "memory", "METRICS_TOKEN": CANARY}):
        answer = client.get(ADDRESS, headers=headers)
    assert answer.status_code == status
    assert ("djust_database_up" in answer.content.decode()) is (status == 200)
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


def test_it_is_only_read_and_speaks_openmetrics_too(client: Client) -> None:
    assert client.post(ADDRESS).status_code == 405
    answer = client.get(ADDRESS, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert answer.content.endswith(b"# EOF\n")
    assert client.get(ADDRESS)["Content-Type"].startswith("text/plain; version=0.0.4")


def test_without_prometheus_client_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "answer = Client().get('/djust/metrics/')\n"
        "print(answer.status_code, answer.content.decode())"
    )
    env = child_environment({"DJANGO_SETTINGS_MODULE": "tests.settings"})
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.stdout.startswith("501 "), done.stderr
    assert 'pip install "djust[metrics]"' in done.stdout
