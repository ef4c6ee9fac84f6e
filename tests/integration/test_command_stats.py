"""``session_stats`` for a person at a terminal, and for a script."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from djust.maintenance import record_run
from djust.management.stats import describe
from djust.models import Alert, MaintenanceRun, MemorySample, SessionLoss
from djust.monitoring.status.heartbeat import WATCHED, Heartbeat
from djust.monitoring.status.summary import Records, StoreFigures, judge
from djust.state_backend import get_backend, set_backend
from tests.commands.project import Project
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer

CANARY = "canary-pa55word"

# The database is read in a thread of its own, which sees what was committed.
database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def store(redis7: RedisServer, key_prefix: str) -> Iterator[None]:
    config = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    with override_settings(DJUST_CONFIG=config):
        yield
        get_backend().delete_all()


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def shown(*arguments: str) -> str:
    out = StringIO()
    call_command("session_stats", *arguments, stdout=out)
    return out.getvalue()


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n\n", 1)[1].splitlines():
        title, rest = line[:11].strip(), line[11:]
        if title:
            found[title] = []
        found[list(found)[-1]].append(rest)
    return found


@database
def test_everything_is_there(store: None, wide: None) -> None:
    now = timezone.now()
    backend = get_backend()
    for number in range(3):
        backend.set(f"live{number}", {})
    for task in WATCHED:
        with record_run(task, trigger="beat") as run:
            run.finish({"removed": 12, "remaining": 3} if task == "cleanup" else {})
    MemorySample.objects.create(
        node="cache:6379",
        sampled_at=now,
        used_bytes=300 * 1024**2,
        limit_bytes=400 * 1024**2,
        policy="volatile-lru",
        evicted=1500,
        sessions=12_400,
        bytes_per_session=1945.6,
        bytes_per_session_margin=155.0,
        index_bytes=3 * 1024**2,
        seconds_to_full=12_000,
    )
    SessionLoss.objects.create(found_at=now, cause="evicted", sessions=40)
    SessionLoss.objects.create(found_at=now - timedelta(days=2), cause="flushed", sessions=7000)
    Alert.objects.create(
        rule="memory_high",
        node="cache:6379",
        severity="critical",
        state="acknowledged",
        pending_since=now,
        fired_at=now - timedelta(minutes=5),
        summary="Memory is nearly full.",
        advice="Raise maxmemory.",
    )
    text = shown()
    assert text.splitlines()[0].startswith("ATTENTION  ")
    assert text.splitlines()[1] == "Memory is nearly full. (acknowledged)"
    found = sections(text)
    assert found["Sessions"][0] == "3 live, 0 overdue"
    assert re.fullmatch(r"cache:6379, sampled \d+ s ago, volatile-lru", found["Server"][0])
    assert found["Server"][1:] == [
        "[######################........] 75 %, 300 MB of 400 MB",
        "12,400 sessions of 1.9 kB (+-155 bytes), index 3.0 MB",
        "full in 3 h 20 min at this pace",
    ]
    assert found["Lost"] == ["40 sessions in 24 h: 40 evicted"]
    assert found["Evicted"] == ["1,500 keys in 24 h"]
    assert found["Alerts"] == [
        "CRITICAL memory_high cache:6379 for 5 min, acknowledged: Memory is nearly full.",
        "  Raise maxmemory.",
    ]
    assert len(found["Tasks"]) == 3
    assert re.fullmatch(r"clean up expired sessions  \d+ s ago, every 1 min: ok", found["Tasks"][0])
    assert re.fullmatch(r"\d+ s ago, done, 12 sessions removed, 3 left, \d+ ms", found["Clean-up"][0])


@database
def test_what_is_off_is_said_with_what_waits(store: None, wide: None) -> None:
    for task in WATCHED:
        with record_run(task, trigger="beat"):
            pass
    PeriodicTask.objects.exclude(task=WATCHED[MaintenanceRun.Task.SAMPLE_MEMORY]).update(enabled=False)
    text = shown()
    assert text.startswith("ATTENTION  ")
    assert "Clean-up is switched off" in text.splitlines()[1]
    assert "The check for evictions is switched off" in " ".join(sections(text)["Tasks"])
    assert text.count("Clean-up is switched off") == 1


@pytest.mark.parametrize(
    ("ages", "line"),
    [
        ((97.0, 97.4, 97.2), "last active 1 min 37 s ago"),
        ((22.0, 65.0, 23.0), "last active 22 s to 1 min 5 s ago, 23 s on average"),
        ((22.0, 65.0, None), "last active 22 s to 1 min 5 s ago"),
    ],
)
def test_equal_ages_are_said_once(ages: tuple[float, float, float | None], line: str) -> None:
    newest, oldest, average = ages
    figures = StoreFigures(sessions=3, newest_age=newest, oldest_age=oldest, average_age=average)
    records = Records(heartbeat=Heartbeat(status="ok", detail=""))
    text = describe(judge(records, figures, timezone.now()), paint={"well": str}, width=100)
    assert any(each.strip() == line for each in text)


@database
def test_what_is_not_known_says_why_and_is_no_zero(store: None, wide: None) -> None:
    now = timezone.now()
    MemorySample.objects.create(node="a:1", sampled_at=now, unavailable={"used_bytes": "INFO is not allowed."})
    MemorySample.objects.create(
        node="b:2", sampled_at=now, used_bytes=2048, unavailable={"limit_bytes": "The server has no maxmemory."}
    )
    text = shown()
    assert "memory unavailable: INFO is not allowed." in text
    assert "2.0 kB used; limit unavailable: The server has no maxmemory." in text
    assert "Evicted" not in text
    found = sections(text)
    assert found["Clean-up"] == ["none so far"]
    assert found["Alerts"] == ["none open"]


@database
def test_a_narrow_terminal(store: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert max(len(line) for line in shown().splitlines()) <= 40


@database
def test_json_is_the_summary(store: None) -> None:
    found = json.loads(shown("--json"))
    assert (found["verdict"], found["store"]["sessions"], found["lost_24h"]) == ("starting", 0, {})


@database
def test_the_memory_of_another_process_cannot_be_seen_and_is_no_failure(wide: None) -> None:
    # One that this process has not used: other tests may have used theirs.
    set_backend(None)
    assert "The sessions live in the memory of the web process" in shown()


@database
def test_a_store_that_is_away_is_status_1_and_the_rest_is_shown() -> None:
    port = free_port()
    url = f"redis://:{CANARY}@127.0.0.1:{port}/0"
    out = StringIO()
    with (
        override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": url}),
        pytest.raises(SystemExit) as ended,
    ):
        call_command("session_stats", stdout=out)
    assert ended.value.code == 1
    assert f"127.0.0.1:{port}" in out.getvalue()
    assert "clean up expired sessions" in out.getvalue()
    assert CANARY not in out.getvalue()


@pytest.mark.parametrize("arguments", [["--watch", "0"], ["--watch", "soon"], ["--jsn"]])
def test_arguments_that_cannot_be_used(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("session_stats", *arguments)


# As a process


@pytest.fixture
def project(tmp_path: Path, redis7: RedisServer, key_prefix: str) -> Project:
    """A project whose database has no tables."""
    return Project(tmp_path, {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix})


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "django", "session_stats", *arguments]


def test_without_tables_the_store_is_shown(project: Project) -> None:
    ended = project.run("session_stats")
    assert ended.status == 0, ended.stderr
    assert ended.stdout.startswith("UNKNOWN  ")
    assert "0 live" in ended.stdout
    assert "check that it can be reached and that migrate was run" in re.sub(r"\s+", " ", ended.stdout)


def test_watching_on_a_terminal_draws_in_place_until_ctrl_c(project: Project) -> None:
    ours, theirs = pty.openpty()
    environment = {**project.environment(TERM="xterm"), "COLUMNS": "80"}
    with subprocess.Popen(
        command("--watch", "0.05", "--no-color"), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        seen = b""
        while seen.count(b"\x1b[H") < 4:
            seen += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # Linux says so when the other side is closed.
            while part := os.read(ours, 65_536):
                seen += part
    os.close(ours)
    assert process.returncode == 0
    assert b"Traceback" not in seen
    frames = seen.decode().split("\x1b[H")
    assert re.match(r"UNKNOWN  [^\n]*\x1b\[K\r\n", frames[2])
    assert frames[2].endswith("\x1b[J")
    # Apart from moving and clearing, nothing is sent but text.
    assert not re.search(r"\x1b\[[^HJK]", seen.decode())


def test_watching_into_a_pipe_is_plain_and_ends_with_its_reader(project: Project) -> None:
    with subprocess.Popen(
        command("--watch", "0.05", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=project.environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        looks: list[dict[str, Any]] = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdout.close()
        errors = process.stderr.read()
    assert looks[0]["at"] < looks[1]["at"]
    assert (process.returncode, "Traceback" in errors, "BrokenPipe" in errors) == (0, False, False)
