"""Options in a URL, and passwords that were not percent-encoded."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import closing

import pytest
from django.core.exceptions import ImproperlyConfigured

from djust.state_backend import RedisStateBackend
from tests.servers.redis_server import RedisServer


@pytest.mark.parametrize(
    "options",
    [
        "socket_timeout=1",
        "socket_keepalive=true",
        "health_check_interval=5",
        "retry_on_timeout=true",
        "db=3",
        "client_name=web",
    ],
)
def test_what_redis_py_takes_can_be_given(redis7: RedisServer, key_prefix: str, options: str) -> None:
    async def aget() -> object:
        found = await backend.aget("key")
        await backend.aclose()
        return found

    with closing(RedisStateBackend(f"{redis7.url}?{options}", key_prefix=key_prefix)) as backend:
        saved = backend.set("key", {"n": 1})
        assert backend.get("key") == asyncio.run(aget()) == saved
        assert backend.delete_all() == 1


@pytest.mark.parametrize(
    "options",
    [
        "socket_timeout=canary",
        "canary=1",
        "timeout=3",
        "ssl_cert_reqs=none",
        "decode_responses=true",
        "protocol=3",
    ],
)
@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_an_option_that_cannot_be_used_is_refused_when_the_backend_is_built(scheme: str, options: str) -> None:
    password = "canary"
    url = f"{scheme}://:{password}@127.0.0.1:1/0?{options}"
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL") as caught:
        RedisStateBackend(url)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_an_option_of_tls_is_taken_with_tls() -> None:
    RedisStateBackend("rediss://:secret@127.0.0.1:1/0?ssl_cert_reqs=none")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:1?canary@127.0.0.1:6379/0",
        "redis://canary:12?x@127.0.0.1:6379/0",
        "redis://canary:1/x@127.0.0.1:6379/0",
        "redis://canary:1#x@127.0.0.1:6379/0",
        "redis://user:canary[b]@127.0.0.1:6379/0",
        "redis://user:pass@127.0.0.1:canary/0",
        "redis://user:canary@127.0.0.1:99999/0",
        "redis+cluster://canary:12?x@127.0.0.1:6379",
    ],
)
def test_a_password_with_something_special_in_it_is_not_taken_for_a_host(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="Percent-encode") as caught:
        RedisStateBackend(url)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_at_sign_in_the_password_leads_to_the_right_host() -> None:
    backend = RedisStateBackend("redis://:12345@67@127.0.0.1:1/0")
    assert "127.0.0.1:1" in repr(backend)
    assert "12345" not in repr(backend)
