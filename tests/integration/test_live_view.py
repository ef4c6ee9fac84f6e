"""``djust.live_view``, and a health view that a project wrote with ``get_stats``."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory

from djust.live_view import cleanup_expired_sessions, get_session_stats
from djust.sessions import LEASE_NAME
from djust.state_backend import get_backend
from djust.state_backend.base import StateBackend
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

CANARY = "canary-password"


@pytest.fixture(params=["memory", "redis7", "valkey"])
def backend(request: pytest.FixtureRequest, key_prefix: str, settings: Any) -> Iterator[StateBackend]:
    config = {"SESSION_TTL": 7200, "MEMORY_SWEEP_SECONDS": 3600, "KEY_PREFIX": key_prefix}
    if request.param == "memory":
        settings.DJUST_CONFIG = {**config, "STATE_BACKEND": "memory"}
    else:
        url = request.getfixturevalue(request.param).url
        settings.DJUST_CONFIG = {**config, "STATE_BACKEND": "redis", "REDIS_URL": url}
    yield get_backend()
    get_backend().delete_all()


def warnings(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return what was logged about a ttl."""
    messages = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [message for message in messages if message["event"] == "cleanup_ttl_shorter"]


def test_it_returns_how_many_were_removed(backend: StateBackend) -> None:
    for number in range(30):
        backend.set(f"due{number}", {}, ttl=600)
    for number in range(30):
        backend.touch(f"due{number}", 0.01)
    backend.set("live", {})
    wait_until(lambda: backend.count_due() == 30, what="them to be due")
    assert cleanup_expired_sessions() == 30
    assert cleanup_expired_sessions() == 0
    assert get_session_stats()["total_sessions"] == 1


def test_a_ttl_ends_what_idled_for_longer(backend: StateBackend) -> None:
    backend.set("idle", {}, ttl=1000)
    backend.set("never", {}, ttl=0)
    wait_until(lambda: backend.count_due(0.01) == 1, what="it to idle")
    assert cleanup_expired_sessions(ttl=3600) == 0
    assert cleanup_expired_sessions(ttl=0) == 0
    assert cleanup_expired_sessions(ttl=0.01) == 1
    assert [info.key for info in backend.iter_sessions()] == ["never"]


def test_beside_another_clean_up_it_removes_nothing(backend: StateBackend) -> None:
    assert backend.acquire_lease(LEASE_NAME, "somebody", 60)
    assert cleanup_expired_sessions() == 0
    backend.release_lease(LEASE_NAME, "somebody")


@pytest.mark.parametrize(
    ("ttl", "session_ttl", "warned"),
    [
        (3600, 7200, True),
        (3600, 3600, False),
        (7200, 3600, False),
        (None, 7200, False),
        (0, 7200, False),
        (-1, 7200, False),
        (3600, 0, True),
        (0, 0, False),
        (None, 0, False),
    ],
)
def test_a_ttl_shorter_than_the_configured_one_is_warned_about(
    ttl: float | None, session_ttl: float, warned: bool, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory", "SESSION_TTL": session_ttl}
    with caplog.at_level(logging.WARNING, "djust.state_backend"):
        cleanup_expired_sessions(ttl=ttl)
    found = [(event["ttl"], event["session_ttl"], event["level"]) for event in warnings(caplog)]
    assert found == ([(ttl, session_ttl, "warning")] if warned else [])


def health_check(request: HttpRequest) -> JsonResponse:
    """A view as a project writes it: it knows ``get_stats``, and shows whatever error comes."""
    try:
        stats = get_backend().get_stats()
        return JsonResponse(
            {"status": "healthy", "backend": stats["backend"], "sessions": stats["total_sessions"]},
        )
    except Exception as e:  # noqa: BLE001 - a project cannot know what may come
        return JsonResponse({"status": "unhealthy", "error": str(e)}, status=503)


def test_a_health_view_of_the_project_works(backend: StateBackend) -> None:
    backend.set("one", {})
    response = health_check(RequestFactory().get("/health/"))
    assert response.status_code == 200
    assert json.loads(response.content) == {"status": "healthy", "backend": backend.name, "sessions": 1}


@pytest.mark.parametrize("trouble", ["away", "password", "damaged"])
def test_a_health_view_of_the_project_shows_no_secret(
    redis_server: Callable[..., RedisServer], settings: Any, trouble: str
) -> None:
    server = redis_server(password=CANARY)
    url = server.url
    if trouble == "away":
        server.kill()
    elif trouble == "password":
        url = url.replace(CANARY, f"wrong-{CANARY}")
    settings.DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": url}
    if trouble == "damaged":
        get_backend().set("one", {})
        with server.client() as client:
            for name in client.scan_iter("*:due"):
                client.set(name, "canary-value")
    response = health_check(RequestFactory().get("/health/"))
    assert response.status_code == 503
    answer = json.loads(response.content)
    assert answer["status"] == "unhealthy"
    assert answer["error"]
    assert "canary" not in answer["error"]
