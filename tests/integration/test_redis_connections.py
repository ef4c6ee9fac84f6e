"""Connections as people have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from django.core.exceptions import ImproperlyConfigured

from djust.exceptions import BackendDenied, BackendUnavailable, InvalidArgument
from djust.reconcile import reconcile
from djust.sessions import clean_up
from djust.state_backend import RedisStateBackend
from djust.testing.notices import Listening
from tests.servers.certificates import Certificates
from tests.servers.redis_server import RedisServer

Servers = Callable[..., RedisServer]

#: What a Redis user needs, as docs/redis.md says it.
RIGHTS = (
    "~djust:* -@all +get +evalsha +eval +ping +info +scan +hdel +select "
    "+time +getrange +set +setrange +pexpireat +pexpire +persist +pttl +del +unlink +exists +type +memory|usage "
    "+zadd +zrem +zcard +zcount +zscore +zrange +zrevrange +zrangebyscore +zscan "
    "+hset +hget +hgetall +hscan +hlen +hincrby +rpush +lrange +ltrim +llen "
    "+publish +subscribe &djust:*"
)


def works(url: str) -> None:
    """Do a bit of everything."""
    backend = RedisStateBackend(url)
    backend.set("key", {"n": 1}, owner="o", ttl=100)
    assert backend.get("key") is not None
    with Listening(backend) as listener:
        backend.publish("topic", b"message")
        assert listener.first(1) == [("topic", b"message")]
    assert backend.touch("key", 0)
    assert backend.touch("key", 50)
    backend.get_stats()
    backend.get_memory_stats()
    assert [session.key for session in backend.iter_sessions()] == ["key"]
    assert [session.key for session in backend.page_sessions(owner="o").sessions] == ["key"]
    assert backend.session_sizes(["key"]) != [None]
    assert clean_up(backend).outcome == "done"
    assert reconcile(backend, repair=["no_ttl", "data_without_index", "index_without_data"]).outcome == "done"
    assert backend.delete_owner("o") == 1
    backend.set("key", {})
    assert backend.delete("key")
    backend.set("key", {})
    assert backend.delete_all() == 1
    backend.close()


def test_tls_with_an_authority_of_ones_own(redis_server: Servers, tmp_path: Path) -> None:
    server = redis_server(tls=True)
    works(server.tls_url)
    other = Certificates(tmp_path)
    with pytest.raises(BackendUnavailable):
        works(f"rediss://{server.host}:{server.tls_port}/0?ssl_ca_certs={other.authority}")


def test_a_user_with_no_more_rights_than_the_documentation_lists(redis_server: Servers) -> None:
    server = redis_server(users=[f"app on >secret {RIGHTS}"])
    works(f"redis://app:secret@{server.host}:{server.port}/0")


def test_the_rights_are_those_of_the_documentation() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "redis.md").read_text()
    for right in RIGHTS.split():
        assert right in page.split(), right


def test_a_user_without_scripts_is_told_so(redis_server: Servers) -> None:
    server = redis_server(users=["app on >secret ~* +@all -@scripting"])
    backend = RedisStateBackend(f"redis://app:secret@{server.host}:{server.port}/0")
    with pytest.raises(BackendDenied, match=r"docs/redis\.md"):
        backend.set("key", {})


def test_a_right_that_only_a_script_lacks_is_told_too(redis_server: Servers) -> None:
    server = redis_server(users=[f"app on >secret {RIGHTS} -zadd"])
    backend = RedisStateBackend(f"redis://app:secret@{server.host}:{server.port}/0")
    with pytest.raises(BackendDenied, match=r"docs/redis\.md"):
        backend.set("key", {})


def test_a_user_without_dangerous_commands_can_work(redis_server: Servers) -> None:
    server = redis_server(users=["app on >secret ~* +@all -@dangerous"])
    backend = RedisStateBackend(f"redis://app:secret@{server.host}:{server.port}/0")
    backend.set("key", {})
    [info] = backend.monitor.server_info()
    assert not info.fields
    assert info.refused is not None
    assert "docs/redis.md" in info.refused
    assert backend.get_stats()["total_sessions"] == 1


def test_ending_an_owner_does_not_need_to_ask_the_server_about_itself(redis_server: Servers) -> None:
    server = redis_server(users=[f"app on >secret {RIGHTS} -info"])
    backend = RedisStateBackend(f"redis://app:secret@{server.host}:{server.port}/0")
    backend.set("key", {}, owner="o")
    assert backend.delete_owner("nobody") == 0
    assert backend.delete_owner("o") == 1


@pytest.mark.parametrize("password", ["p@ss:w/ord?#%&=", "ünï çødé", "100%"])
def test_a_password_of_any_kind(redis_server: Servers, password: str) -> None:
    server = redis_server(password=password)
    works(f"redis://:{quote(password, safe='')}@{server.host}:{server.port}/0")


def test_a_unix_socket_and_a_database_number(redis_server: Servers) -> None:
    server = redis_server(unix_socket=True)
    works(server.unix_url)
    works(f"redis://{server.host}:{server.port}/7")


def test_the_configuration_of_the_deployment_guide(redis_server: Servers) -> None:
    server = redis_server(
        password="your-strong-password-here",
        maxmemory="256mb",
        policy="allkeys-lru",
        renamed={"FLUSHDB": "", "FLUSHALL": ""},
        config="save 900 1\nsave 300 10\nsave 60 10000",
    )
    works(server.url)


@pytest.mark.parametrize(
    "url",
    [
        "redis//nowhere",
        "http://secret@host",
        "redis://:secret@host:port/0",
        "redis://:sec#ret@host:6379/0",
        "redis://:secret@host/zero",
        "unix://",
        "redis+cluster://:secret@host:6379/1",
        "",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL") as caught:
        RedisStateBackend(url)
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["", "djust{1}:", "}"])
def test_a_prefix_that_would_break_the_hash_tag_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidArgument, match="prefix"):
        RedisStateBackend("redis://localhost", key_prefix=prefix)
