"""The history of runs, and what can happen to the database while one is under way."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from djust.exceptions import BackendUnavailable
from djust.maintenance import LONG_TIME_LIMIT_SECONDS, TIME_LIMIT_SECONDS, last_run, record_run
from djust.models import MaintenanceRun
from tests.servers.postgres import Postgres
from tests.servers.process import child_environment

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-pa55word"
pytestmark = pytest.mark.django_db

RESTART = """
from django.db import connection
from djust.maintenance import record_run
from djust.models import MaintenanceRun
with record_run("reconcile", trigger="call") as run:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    other.close()
    run.finish({"outcome": "done", "checked": 7})
print(*MaintenanceRun.objects.values_list("outcome", "figures"))
"""


def test_a_report_is_written_as_it_is() -> None:
    report = {"outcome": "partial", "reason": "The time budget is spent.", "removed": 3, "remaining": 4}
    with record_run("cleanup", trigger="admin", triggered_by="ada" * 100, task_id="id") as run:
        assert MaintenanceRun.objects.get().outcome == "running"
        assert run.finish(report) is report
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.reason, row.removed) == ("partial", "The time budget is spent.", 3)
    assert row.figures == {"removed": 3, "remaining": 4}
    assert (row.trigger, len(row.triggered_by), row.task_id) == ("admin", 200, "id")
    assert str(row).endswith(": partial")


@pytest.mark.parametrize("outcome", ["skipped", "not_applicable"])
def test_what_did_not_run_has_no_figures(outcome: str) -> None:
    with record_run("cleanup", trigger="call") as run:
        run.finish({"outcome": outcome, "backend": "redis", "removed": 0, "remaining": 0})
    assert MaintenanceRun.objects.get().figures == {"backend": "redis"}


@pytest.mark.parametrize(
    ("error", "outcome", "text"),
    [
        (BackendUnavailable("The server at host:1 is away."), "failed", "The server at host:1 is away."),
        (ValueError(CANARY), "failed", "ValueError"),
        (KeyboardInterrupt(), "killed", ""),
        (SystemExit(1), "killed", ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_how_a_run_ended_is_said_without_secrets(error: BaseException, outcome: str, text: str) -> None:
    with pytest.raises(type(error)), record_run("cleanup", trigger="call"):
        raise error
    row = MaintenanceRun.objects.get()
    assert (row.outcome, row.error) == (outcome, text)
    assert bool(row.reason) is (outcome == "killed")
    assert row.duration_ms is not None


def test_a_call_that_nobody_repeats_counts_no_attempts() -> None:
    with pytest.raises(BackendUnavailable), record_run("cleanup", trigger="call"):
        raise BackendUnavailable
    assert MaintenanceRun.objects.get().reason == ""


@pytest.mark.parametrize(
    ("task", "seconds"),
    [
        ("sample_memory", TIME_LIMIT_SECONDS),
        ("check_evictions", TIME_LIMIT_SECONDS),
        ("reconcile", LONG_TIME_LIMIT_SECONDS),
        ("cleanup", LONG_TIME_LIMIT_SECONDS),
    ],
)
def test_what_runs_for_longer_than_it_may_was_killed(task: str, seconds: float) -> None:
    young, old = (
        MaintenanceRun.objects.create(
            task=task, trigger="beat", started_at=timezone.now() - timedelta(seconds=seconds + more)
        )
        for more in (-20, 1)
    )
    with record_run("clear_django_sessions", trigger="call"):
        pass
    young.refresh_from_db()
    old.refresh_from_db()
    assert (young.outcome, old.outcome) == ("running", "killed")
    assert old.reason == "The process ended before the run did."


def test_the_last_run_is_the_last_with_figures() -> None:
    assert last_run("reconcile") is None
    for outcome in ("done", "partial", "failed", "skipped"):
        with record_run("reconcile", trigger="call") as run:
            run.outcome = outcome
    found = last_run("reconcile")
    assert found is not None
    assert found.outcome == "partial"


@pytest.mark.django_db(transaction=True)
def test_trouble_with_the_history_leaves_a_callers_transaction_usable(caplog: pytest.LogCaptureFixture) -> None:
    with connection.schema_editor() as editor:
        editor.alter_db_table(MaintenanceRun, "djust_maintenancerun", "elsewhere")
    try:
        with transaction.atomic():
            with record_run("cleanup", trigger="call"):
                pass
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(MaintenanceRun, "elsewhere", "djust_maintenancerun")
    assert "history_unavailable" in caplog.text


def test_a_database_that_restarted_during_a_run_gets_its_end(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.create_database(f"history_{tmp_path.name.replace('-', '_')}")
    env = child_environment({"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": url})
    command = [sys.executable, "-m", "django"]
    subprocess.run([*command, "migrate", "-v0"], check=True, cwd=ROOT, env=env)
    done = subprocess.run(
        [*command, "shell", "-v0", "-c", RESTART], check=False, capture_output=True, text=True, cwd=ROOT, env=env
    )
    assert done.stdout.splitlines()[-1:] == ["('done', {'checked': 7})"], done.stderr
