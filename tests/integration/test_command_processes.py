"""The commands as a shell, a script and a person at a terminal run them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from djust.sessions import LEASE_NAME
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import Layout
from tests.commands.project import Project, make_due
from tests.integration.redis_support import dump
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.servers.waiting import wait_until

CANARY = "canary-p@ss/word"


@pytest.fixture
def backend(redis7: RedisServer, key_prefix: str) -> Iterator[RedisStateBackend]:
    with closing(RedisStateBackend(redis7.url, key_prefix=key_prefix)) as backend:
        yield backend
        backend.delete_all()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("migrated")
    ended = Project(directory, {"STATE_BACKEND": "memory"}).run("migrate")
    assert ended.status == 0, ended.stderr
    return directory / "db.sqlite3"


@pytest.fixture
def make_project(tmp_path: Path, migrated: Path) -> Callable[..., Project]:
    (tmp_path / "db.sqlite3").write_bytes(migrated.read_bytes())
    return lambda **config: Project(tmp_path, config)


@pytest.fixture
def project(make_project: Callable[..., Project], redis7: RedisServer, key_prefix: str) -> Project:
    return make_project(STATE_BACKEND="redis", REDIS_URL=redis7.url, KEY_PREFIX=key_prefix)


def history(project: Project) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(project.directory / "db.sqlite3")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM djust_maintenancerun ORDER BY id")]


def test_a_clean_up_prints_one_line_and_logs_to_stderr(project: Project, backend: RedisStateBackend) -> None:
    make_due(backend, 12)
    ended = project.run("cleanup_sessions", LOGNAME="berta")
    assert (ended.status, ended.stdout) == (0, "Cleaned 12 expired sessions\n")
    [event] = ended.events("cleanup_finished")
    assert (event["removed"], event["trigger"]) == (12, "command")
    [row] = history(project)
    assert (row["trigger"], row["triggered_by"], row["removed"]) == ("command", "berta", 12)


def test_json_on_stdout_is_alone(project: Project, backend: RedisStateBackend) -> None:
    make_due(backend, 3)
    ended = project.run("cleanup_sessions", "--json")
    assert json.loads(ended.stdout)["removed"] == 3
    ended = project.run("reconcile_sessions", "--json")
    assert json.loads(ended.stdout)["outcome"] == "done"


def test_a_run_beside_another_has_status_0(project: Project, backend: RedisStateBackend) -> None:
    assert backend.acquire_lease(LEASE_NAME, "somebody", 60)
    ended = project.run("cleanup_sessions")
    assert (ended.status, ended.last_line) == (0, "Skipped: Another clean-up is at work.")


def test_the_memory_backend_of_a_fresh_process_has_status_0(make_project: Callable[..., Project]) -> None:
    project = make_project(STATE_BACKEND="memory")
    ended = project.run("cleanup_sessions")
    assert ended.status == 0
    assert ended.last_line.startswith("Not applicable: ")
    assert len(ended.events("cleanup_not_applicable")) == 1
    ended = project.run("reconcile_sessions")
    assert (ended.status, ended.last_line.split(":")[0]) == (0, "Not applicable")
    assert [row["outcome"] for row in history(project)] == ["not_applicable"] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ttl", "soon"],
        ["--ttl", "nan"],
        ["--all"],
        ["--all", "--yes", "--ttl", "5"],
        ["--budget", "-1"],
        ["--wrong"],
    ],
)
def test_bad_arguments_have_status_2(project: Project, backend: RedisStateBackend, arguments: list[str]) -> None:
    backend.set("live", {})
    ended = project.run("cleanup_sessions", *arguments, stdin="yes\n")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr
    assert backend.get("live") is not None


@pytest.mark.parametrize("command", ["cleanup_sessions", "reconcile_sessions"])
@pytest.mark.parametrize("trouble", ["away", "password", "silent"])
def test_a_store_out_of_reach_has_status_1_and_gives_nothing_away(
    make_project: Callable[..., Project],
    redis_server: Callable[..., RedisServer],
    tcp_proxy: Callable[[RedisServer], TcpProxy],
    command: str,
    trouble: str,
) -> None:
    server = redis_server(password=CANARY)
    url = server.url
    if trouble == "away":
        server.kill()
    elif trouble == "password":
        url = url.replace("canary", "canary-wrong")
    else:
        server.pause()
    project = make_project(STATE_BACKEND="redis", REDIS_URL=url, REDIS_TIMEOUT=0.3)
    ended = project.run(command, "--traceback")
    server.resume() if trouble == "silent" else None
    assert (ended.status, ended.stdout) == (1, "")
    assert f"Redis at {server.host}:{server.port}" in ended.stderr
    assert "canary" not in ended.stderr
    ended = project.run(command, "--json") if trouble != "silent" else ended
    assert ended.status == 1
    if trouble != "silent":
        assert json.loads(ended.stdout)["outcome"] == "failed"
        assert "Traceback" not in ended.stderr
        assert "canary" not in ended.stdout + ended.stderr
    assert {row["outcome"] for row in history(project)} == {"failed"}
    assert "canary" not in json.dumps(history(project))


def test_an_error_of_redis_that_nobody_knows_gives_nothing_away(project: Project, redis7: RedisServer) -> None:
    shard = Layout(project.config["KEY_PREFIX"]).shards[0]
    with redis7.client() as client:
        client.set(shard.due, "canary-value")
        ended = project.run("cleanup_sessions")
        client.delete(shard.due)
    assert (ended.status, ended.stdout) == (1, "")
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr


def test_a_url_that_cannot_be_read_is_not_quoted(make_project: Callable[..., Project]) -> None:
    project = make_project(STATE_BACKEND="redis", REDIS_URL="redis://:canary#word@localhost:6379/0")
    ended = project.run("cleanup_sessions")
    assert ended.status == 1
    assert "REDIS_URL" in ended.stderr
    assert "canary" not in ended.stdout + ended.stderr


def test_without_its_table_the_clean_up_still_works(project: Project, backend: RedisStateBackend) -> None:
    (project.directory / "db.sqlite3").unlink()
    make_due(backend, 4)
    ended = project.run("cleanup_sessions")
    assert (ended.status, ended.stdout) == (0, "Cleaned 4 expired sessions\n")
    assert ended.events("history_unavailable")


def test_killed_commands_do_not_hold_the_next_one_for_long(
    make_project: Callable[..., Project], redis7: RedisServer, key_prefix: str, backend: RedisStateBackend
) -> None:
    config = {"KEY_PREFIX": key_prefix, "CLEANUP_LEASE_SECONDS": 0.5}
    project = make_project(STATE_BACKEND="redis", REDIS_URL=redis7.url, **config)
    assert backend.acquire_lease(LEASE_NAME, "killed", 0.5)
    wait_until(lambda: project.run("cleanup_sessions").last_line == "Cleaned 0 expired sessions", what="the lease")


# A terminal


def test_on_a_terminal_all_asks(project: Project, backend: RedisStateBackend, key_prefix: str) -> None:
    backend.set("live", {})
    status, shown = project.run_on_a_terminal("cleanup_sessions", "--all", answer="no\n")
    assert status == 2
    assert f"every session under prefix {key_prefix}, live ones too" in shown
    assert "Nothing was deleted." in shown
    assert backend.get("live") is not None
    status, shown = project.run_on_a_terminal("cleanup_sessions", "--all", answer="yes\n")
    assert status == 0
    assert f"Deleted 1 sessions under prefix {key_prefix}" in shown
    assert backend.get("live") is None


def test_long_work_shows_a_bar_on_a_terminal(
    make_project: Callable[..., Project],
    redis_server: Callable[..., RedisServer],
    tcp_proxy: Callable[[RedisServer], TcpProxy],
) -> None:
    server = redis_server()
    make_due(RedisStateBackend(server.url), 400)
    proxy = tcp_proxy(server)
    proxy.delay(0.02)
    project = make_project(STATE_BACKEND="redis", REDIS_URL=proxy.url())
    status, shown = project.run_on_a_terminal("cleanup_sessions")
    assert status == 0
    bars = re.findall(r"\[[#.]{30}\] +(\d+) %  (\d+) of 400 sessions", shown)
    assert bars[-1] == ("100", "400")
    assert [int(done) for _, done in bars] == sorted(int(done) for _, done in bars)
    assert shown.splitlines()[-1] == "Cleaned 400 expired sessions"


@pytest.mark.parametrize("arguments", [["cleanup_sessions"], ["cleanup_sessions", "--json"]])
def test_short_work_and_json_show_none(project: Project, backend: RedisStateBackend, arguments: list[str]) -> None:
    make_due(backend, 50)
    status, shown = project.run_on_a_terminal(*arguments)
    assert (status, "[#" in shown, " % " in shown) == (0, False, False)


# A project's own command of the same name


def test_a_command_of_the_project_takes_precedence(
    make_project: Callable[..., Project], redis7: RedisServer, key_prefix: str, backend: RedisStateBackend
) -> None:
    config = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    make_due(backend, 6)
    project = make_project(**config, SESSION_TTL=7200)
    ended = project.run("cleanup_sessions", TEST_FIRST_APP="tests.commands.site_app")
    assert (ended.status, ended.stdout) == (0, "Cleaned 6 expired sessions\n")
    [event] = ended.events("cleanup_ttl_shorter")
    assert (event["ttl"], event["session_ttl"], event["level"]) == (3600, 7200, "warning")
    project = make_project(**config, SESSION_TTL=1800)
    ended = project.run("cleanup_sessions", TEST_FIRST_APP="tests.commands.site_app")
    assert (ended.stdout, ended.events("cleanup_ttl_shorter")) == ("Cleaned 0 expired sessions\n", [])


def test_a_dry_run_as_a_process_changes_nothing(
    project: Project, backend: RedisStateBackend, redis7: RedisServer, key_prefix: str
) -> None:
    make_due(backend, 9)
    with redis7.client() as client:
        before = dump(client, key_prefix)
        assert project.run("cleanup_sessions", "--dry-run").stdout == "Would clean 9 expired sessions\n"
        assert "Nothing was changed" in project.run("reconcile_sessions").stdout
        assert dump(client, key_prefix) == before
