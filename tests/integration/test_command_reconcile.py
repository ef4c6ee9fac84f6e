"""``reconcile_sessions`` inside this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from djust.log import hashed
from djust.models import MaintenanceRun
from djust.state_backend import RedisStateBackend, get_backend
from djust.state_backend.redis.layout import Layout
from tests.integration.redis_support import dump, payload_name
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db

UNCHANGED = "Nothing was changed: --repair names what to repair."


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


@pytest.fixture
def damaged(backend: RedisStateBackend, server: RedisServer, key_prefix: str) -> RedisStateBackend:
    """One session of each kind that reconcile finds, and one that is well."""
    for key in ("lost", "unindexed", "endless", "spoiled", "well"):
        backend.set(key, {"key": key})
    with server.client() as client:
        client.delete(payload_name(key_prefix, "lost"))
        shard = Layout(key_prefix).shard(b"unindexed")
        client.delete(shard.due, shard.act)
        client.persist(payload_name(key_prefix, "endless"))
        name = payload_name(key_prefix, "spoiled")
        client.setrange(name, client.strlen(name) - 3, b"\xc1\xc1\xc1")
    return backend


def output_of(*arguments: str) -> list[str]:
    stdout = StringIO()
    call_command("reconcile_sessions", *arguments, stdout=stdout)
    return stdout.getvalue().splitlines()


def json_of(*arguments: str) -> dict[str, Any]:
    [line] = output_of(*arguments, "--json")
    return json.loads(line)


def test_nothing_is_changed_unless_asked(damaged: RedisStateBackend, server: RedisServer, key_prefix: str) -> None:
    with server.client() as client:
        before = dump(client, key_prefix)
        lines = output_of()
        assert dump(client, key_prefix) == before
    assert UNCHANGED in lines
    for kind in ("index_without_data", "data_without_index", "no_ttl", "undecodable"):
        assert f"{kind:20} {1:8} found {0:8} repaired" in lines
    run = MaintenanceRun.objects.get()
    assert (run.task, run.trigger, run.outcome) == ("reconcile", "command", "done")
    assert run.figures["found"]["undecodable"] == 1


def test_only_what_is_named_is_repaired(damaged: RedisStateBackend) -> None:
    lines = output_of("--repair", "no_ttl")
    assert UNCHANGED not in lines
    report = json_of("--repair", "index_without_data", "data_without_index")
    assert report["found"] == {"index_without_data": 1, "data_without_index": 1, "no_ttl": 0, "undecodable": 1}
    assert report["repaired"] == {"index_without_data": 1, "data_without_index": 1, "no_ttl": 0, "undecodable": 0}
    assert sum(json_of()["found"].values()) == 1


def test_sessions_are_named_by_hash_or_by_key(damaged: RedisStateBackend) -> None:
    keys = {"lost", "unindexed", "endless", "spoiled"}
    report = json_of()
    assert {finding["session"] for finding in report["findings"]} == {hashed(key) for key in keys}
    text = "\n".join(output_of())
    assert all(hashed(key) in text and f" {key} " not in text for key in keys)
    assert {finding["key"] for finding in json_of("--show-keys")["findings"]} == keys
    assert " endless " in "\n".join(output_of("--show-keys"))
    assert "endless" not in json.dumps(list(MaintenanceRun.objects.values_list("figures", flat=True)))


def test_it_goes_on_where_it_had_no_time_left(damaged: RedisStateBackend) -> None:
    whole = json_of()
    parts = []
    cursor: list[str] = []
    while True:
        part = json_of("--budget", "0.000001", *cursor)
        parts.append(part)
        if part["cursor"] is None:
            break
        assert part["outcome"] == "partial"
        cursor = ["--resume", part["cursor"]]
    assert parts[-1]["outcome"] == "done"
    assert len(parts) > 1
    assert sum(part["checked"] for part in parts) == whole["checked"]
    for kind, number in whole["found"].items():
        assert sum(part["found"][kind] for part in parts) == number
    assert output_of("--budget", "0.000001")[-1].startswith("Not finished, the time is spent. Go on with --resume ")


@pytest.mark.parametrize("cursor", ["nonsense", "", "index:0", "data:x:0", "index:0:²"])
def test_a_cursor_that_is_none_is_refused_and_no_run(cursor: str, settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with pytest.raises(CommandError, match="no cursor") as raised:
        output_of("--resume", cursor)
    assert raised.value.returncode == 2
    assert not MaintenanceRun.objects.exists()


def test_bad_arguments_are_refused(backend: RedisStateBackend) -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        output_of("--repair", "undecodable")


def test_the_memory_backend_has_nothing_to_reconcile(settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory"}
    [line] = output_of()
    assert line.startswith("Not applicable: ")
    assert json_of()["outcome"] == "not_applicable"
