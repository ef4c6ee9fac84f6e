"""Counts that only grow, from as many processes as there are."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from djust import totals
from djust.maintenance import record_run
from djust.models import MaintenanceRun, Total
from tests.servers.postgres import Postgres
from tests.servers.process import child_environment

ROOT = Path(__file__).resolve().parents[2]
ADD = """
import sys
import django
django.setup()
from django.core.management import call_command
from djust import totals
if "first" in sys.argv:
    call_command("migrate", "djust", verbosity=0)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    totals.add("evicted_keys", 2)
print(totals.read_all()["evicted_keys"])
"""


@pytest.mark.django_db
def test_a_total_grows_and_never_shrinks() -> None:
    totals.add("sessions_lost:evicted", 3)
    totals.add("sessions_lost:evicted")
    totals.add("sessions_removed", 0)
    assert totals.read_all() == {"sessions_lost:evicted": 4}
    with pytest.raises(ValueError, match="cannot shrink"):
        totals.add("sessions_removed", -1)


@pytest.mark.django_db
def test_runs_and_what_they_removed_are_counted_by_how_they_ended() -> None:
    for outcome, removed in (("done", 5), ("partial", 2), ("done", 0)):
        with record_run("cleanup", trigger="call") as run:
            run.outcome, run.removed = outcome, removed
    with record_run("clear_django_sessions", trigger="call") as run:
        run.removed = 9
    assert totals.read_all() == {
        "maintenance_runs:cleanup:done": 2,
        "maintenance_runs:cleanup:partial": 1,
        "maintenance_runs:clear_django_sessions:done": 1,
        "sessions_removed": 7,
    }


@pytest.mark.django_db
def test_pruned_history_stays_counted_and_a_killed_run_is_counted_once() -> None:
    long_ago = timezone.now() - timedelta(days=400)
    MaintenanceRun.objects.create(task="reconcile", trigger="beat", started_at=long_ago)
    for _ in range(2):
        with record_run("cleanup", trigger="call"):
            pass
    assert not MaintenanceRun.objects.filter(task="reconcile").exists()
    found = totals.read_all()
    assert (found["maintenance_runs:reconcile:killed"], found["maintenance_runs:cleanup:done"]) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_a_database_without_the_table_costs_the_count_only(caplog: pytest.LogCaptureFixture) -> None:
    with connection.schema_editor() as editor:
        editor.alter_db_table(Total, "djust_total", "elsewhere")
    try:
        with transaction.atomic():
            with record_run("cleanup", trigger="call"):
                pass
            assert MaintenanceRun.objects.get().outcome == "done"
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Total, "elsewhere", "djust_total")
    assert "history_unavailable" in caplog.text


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_no_count_is_lost_between_processes(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'db.sqlite3'}"
    if kind == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"totals_{tmp_path.name.replace('-', '_')}")
    env = child_environment({"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": url})
    adding = [_start(env, "first"), _start(env, "second")]
    for process in adding:
        assert process.stdin is not None
        process.stdin.write("now\n")
        process.stdin.flush()
    seen = [int(process.communicate(timeout=60)[0]) for process in adding]
    assert max(seen) == 200


def _start(env: dict[str, str], name: str) -> subprocess.Popen[str]:
    """Start a process and wait until it is about to add."""
    command = [sys.executable, "-c", ADD, name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
