"""``cleanup_sessions`` inside this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from djust.models import MaintenanceRun
from djust.sessions import LEASE_NAME
from djust.signals import session_expired
from djust.state_backend import InMemoryStateBackend, RedisStateBackend, get_backend
from tests.commands.project import make_due
from tests.integration.redis_support import dump, payload_name
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["redis6", "redis7", "valkey", "redis_cluster"])
def server(request: pytest.FixtureRequest) -> RedisServer | RedisCluster:
    return request.getfixturevalue(request.param)


@pytest.fixture
def backend(server: RedisServer | RedisCluster, key_prefix: str, settings: Any) -> Iterator[RedisStateBackend]:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": server.url, "KEY_PREFIX": key_prefix}
    backend = get_backend()
    assert isinstance(backend, RedisStateBackend)
    yield backend
    backend.delete_all()


def output_of(*arguments: str) -> list[str]:
    stdout = StringIO()
    call_command("cleanup_sessions", *arguments, stdout=stdout)
    return stdout.getvalue().splitlines()


def json_of(*arguments: str) -> dict[str, Any]:
    [line] = output_of(*arguments, "--json")
    return json.loads(line)


def test_it_cleans_up_what_is_due_and_nothing_else(backend: RedisStateBackend) -> None:
    backend.set("live", {})
    make_due(backend, 60)
    assert output_of() == ["Cleaned 60 expired sessions"]
    assert output_of() == ["Cleaned 0 expired sessions"]
    assert backend.get("live") is not None


def test_a_dry_run_changes_nothing(server: RedisServer, backend: RedisStateBackend, key_prefix: str) -> None:
    backend.set("live", {})
    make_due(backend, 30)
    with server.client() as client:
        before = dump(client, key_prefix)
        assert output_of("--dry-run") == ["Would clean 30 expired sessions"]
        assert output_of("--dry-run", "--all") == [f"Would delete 1 sessions under prefix {key_prefix}"]
        assert json_of("--dry-run") == {"outcome": "dry_run", "backend": "redis", "would_remove": 30}
        assert dump(client, key_prefix) == before
    assert not MaintenanceRun.objects.exists()


def test_json_is_one_object_with_the_figures(backend: RedisStateBackend) -> None:
    make_due(backend, 40)
    report = json_of()
    assert (report["outcome"], report["removed"], report["remaining"]) == ("done", 40, 0)
    assert {"already_gone", "renewed", "errors", "oldest_overdue_seconds", "duration_ms"} <= report.keys()


def test_the_history_says_that_a_command_did_it(backend: RedisStateBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "anna")
    make_due(backend, 10)
    output_of()
    run = MaintenanceRun.objects.get()
    assert (run.task, run.trigger, run.triggered_by) == ("cleanup", "command", "anna")
    assert (run.outcome, run.removed, run.figures["scanned"]) == ("done", 10, 10)


def test_all_empties_this_prefix_only(
    backend: RedisStateBackend, server: RedisServer, key_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = RedisStateBackend(server.url, key_prefix=f"other-{key_prefix}")
    other.set("theirs", {})
    for number in range(20):
        backend.set(f"ours{number}", {}, ttl=0)
    assert output_of("--all", "--yes") == [f"Deleted 20 sessions under prefix {key_prefix}"]
    [said] = [record for record in caplog.records if "sessions_deleted_all" in record.getMessage()]
    assert said.getMessage() == "sessions_deleted_all backend=redis trigger=command removed=20"
    assert said.levelname == "WARNING"
    with server.client() as client:
        assert dump(client, key_prefix) == {}
    assert other.get("theirs") is not None
    other.delete_all()
    run = MaintenanceRun.objects.get()
    assert (run.outcome, run.removed, run.figures["all"]) == ("done", 20, True)


def test_a_run_beside_another_is_skipped(backend: RedisStateBackend) -> None:
    make_due(backend, 3)
    assert backend.acquire_lease(LEASE_NAME, "somebody", 60)
    assert output_of() == ["Skipped: Another clean-up is at work."]
    assert json_of()["outcome"] == "skipped"
    backend.release_lease(LEASE_NAME, "somebody")
    assert output_of() == ["Cleaned 3 expired sessions"]
    assert set(MaintenanceRun.objects.values_list("outcome", flat=True)) == {"skipped", "done"}


def test_a_budget_that_is_spent_says_what_is_left(backend: RedisStateBackend) -> None:
    make_due(backend, 300)
    lines = output_of("--budget", "0.000001")
    assert lines[-3:] == [
        "The time budget is spent.",
        "300 overdue sessions are left for the next run.",
        "Cleaned 0 expired sessions",
    ]
    assert output_of() == ["Cleaned 300 expired sessions"]


@pytest.mark.parametrize("ttl", ["0", "-1"])
def test_a_ttl_of_zero_or_less_removes_nothing_and_says_so(backend: RedisStateBackend, ttl: str) -> None:
    make_due(backend, 5)
    assert output_of(f"--ttl={ttl}") == ["A ttl of zero or less removes nothing.", "Cleaned 0 expired sessions"]
    assert output_of(f"--ttl={ttl}", "--dry-run") == [
        "A ttl of zero or less removes nothing.",
        "Would clean 0 expired sessions",
    ]
    assert backend.count_due() == 5


def test_a_ttl_by_hand_ends_what_idled_for_longer(backend: RedisStateBackend) -> None:
    for number in range(40):
        backend.set(f"short{number}", {}, ttl=50 + number)
        backend.set(f"long{number}", {}, ttl=90_000 + number)
        backend.set(f"never{number}", {}, ttl=0)
    wait_until(lambda: backend.count_due(0.05) == 80, what="them to idle")
    assert output_of("--ttl", "3600") == ["Cleaned 0 expired sessions"]
    assert output_of("--ttl", "0.05", "--dry-run") == ["Would clean 80 expired sessions"]
    assert output_of("--ttl", "0.05", "--budget", "0.000001")[1] == "80 overdue sessions are left for the next run."
    assert output_of("--ttl", "0.05") == ["Cleaned 80 expired sessions"]
    assert {info.key for info in backend.iter_sessions()} == {f"never{number}" for number in range(40)}


def test_a_ttl_that_ends_wanted_sessions_is_said(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory", "SESSION_TTL": 7200}

    def said(*arguments: str) -> tuple[str, int]:
        caplog.clear()
        stderr = StringIO()
        call_command("cleanup_sessions", *arguments, stdout=StringIO(), stderr=stderr)
        return stderr.getvalue(), sum("cleanup_ttl_shorter" in record.getMessage() for record in caplog.records)

    for arguments in (["--ttl", "3600"], ["--ttl", "3600", "--json"], ["--ttl", "3600", "--dry-run"]):
        text, logged = said(*arguments)
        assert "--ttl 3600 is shorter than SESSION_TTL (7200 s)" in text
        assert logged == 1
    for arguments in ([], ["--ttl", "7200"], ["--ttl=0"]):
        assert said(*arguments) == ("", 0)
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory", "SESSION_TTL": 0}
    assert said("--ttl", "3600")[1] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ttl", "soon"], "no number of seconds"),
        (["--ttl", "nan"], "no number of seconds"),
        (["--ttl", "inf"], "no number of seconds"),
        (["--ttl", "1e300"], "no number of seconds"),
        (["--budget", "0"], "greater than zero"),
        (["--all", "--yes", "--ttl", "5"], "--all removes every session"),
        (["--all"], "Add --yes"),
        (["--wrong"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_do_nothing(arguments: list[str], words: str, settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with pytest.raises(CommandError, match=words):
        output_of(*arguments)
    assert not MaintenanceRun.objects.exists()


def test_the_memory_backend_of_this_process_is_cleaned(settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory", "MEMORY_SWEEP_SECONDS": 3600}
    backend = get_backend()
    assert isinstance(backend, InMemoryStateBackend)
    for number in range(7):
        backend.set(f"due{number}", {}, ttl=0.01)
    backend.set("live", {})
    wait_until(lambda: backend.count_due() == 7, what="them to be due")
    assert output_of("--dry-run") == ["Would clean 7 expired sessions"]
    assert output_of() == ["Cleaned 7 expired sessions"]
    assert output_of("--all", "--yes") == ["Deleted 1 sessions"]


@pytest.mark.parametrize("arguments", [[], ["--dry-run"], ["--all", "--yes"], ["--ttl", "5"]])
def test_the_memory_backend_of_another_process_is_not_applicable(arguments: list[str], settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory"}
    [line] = output_of(*arguments)
    assert line.startswith("Not applicable: ")
    assert json_of(*arguments)["outcome"] == "not_applicable"
    rows = set(MaintenanceRun.objects.values_list("outcome", "removed"))
    assert rows == (set() if "--dry-run" in arguments else {("not_applicable", 0)})


def test_a_broken_receiver_is_said(backend: RedisStateBackend) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError

    make_due(backend, 4)
    session_expired.connect(broken)
    try:
        assert output_of() == ["4 receivers of a report raised an error.", "Cleaned 4 expired sessions"]
    finally:
        session_expired.disconnect(broken)


def test_a_lost_session_is_not_counted_as_expired(
    server: RedisServer, backend: RedisStateBackend, key_prefix: str
) -> None:
    backend.set("lost", {})
    with server.client() as client:
        assert client.delete(payload_name(key_prefix, "lost")) == 1
    call_command("reconcile_sessions", "--repair", "index_without_data", stdout=StringIO())
    assert output_of() == [
        "1 sessions had been lost before their time, and were reported as such.",
        "Cleaned 0 expired sessions",
    ]


def test_ctrl_c_ends_in_good_order(backend: RedisStateBackend) -> None:
    def impatient(**_: object) -> None:
        raise KeyboardInterrupt

    make_due(backend, 5)
    session_expired.connect(impatient)
    try:
        with pytest.raises(CommandError, match="Interrupted") as raised:
            output_of()
    finally:
        session_expired.disconnect(impatient)
    assert raised.value.returncode == 130
    assert MaintenanceRun.objects.get().outcome == "killed"
    unreported, cleaned = output_of()
    assert "sessions were removed by a clean-up that did not reach its end" in unreported
    assert sum(int(next(filter(str.isdigit, line.split()))) for line in (unreported, cleaned)) == 5
