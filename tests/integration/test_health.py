"""Health over HTTP, and what the deployment guide shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from djust.live_view import get_session_stats
from djust.models import MaintenanceRun
from djust.monitoring.status.heartbeat import NOT_YET as NOT_YET_SENTENCE
from djust.monitoring.status.heartbeat import WATCHED
from djust.state_backend import InMemoryStateBackend, get_backend
from tests.servers.redis_server import RedisServer

CANARY = "canary-pa55word"
NOT_YET = {"status": "never", "detail": NOT_YET_SENTENCE}

# Maintenance is read in a thread of its own, which sees what was committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(redis_server: Callable[..., RedisServer], key_prefix: str) -> Iterator[RedisServer]:
    server = redis_server(password=CANARY)
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": server.url, "KEY_PREFIX": key_prefix}):
        yield server


def test_a_healthy_store(server: RedisServer, client: Client) -> None:
    get_backend().set("key", {})
    assert client.get("/djust/health/").json() == {
        "status": "healthy",
        "backend": "redis",
        "sessions": 1,
        "maintenance": NOT_YET,
    }
    assert client.get("/djust/health/live/").json() == {"status": "alive"}
    assert client.get("/djust/health/ready/").json()["status"] == "ready"
    assert get_session_stats()["total_sessions"] == 1


def test_a_store_that_is_away_and_comes_back(server: RedisServer, client: Client) -> None:
    assert client.get("/djust/health/").status_code == 200
    server.kill()
    for address in ("/djust/health/", "/djust/health/ready/"):
        answer = client.get(address)
        assert answer.status_code == 503
        assert answer.json()["status"] == "unhealthy"
        assert f"{server.host}:{server.port}" in answer.json()["error"]
        assert CANARY not in answer.content.decode()
    assert client.get("/djust/health/").json()["maintenance"] == NOT_YET
    assert client.get("/djust/health/live/").status_code == 200
    server.start()
    assert client.get("/djust/health/").status_code == 200


async def test_the_same_under_asgi(server: RedisServer, async_client: AsyncClient) -> None:
    answer = (await async_client.get("/djust/health/")).json()
    assert (answer["status"], answer["maintenance"]) == ("healthy", NOT_YET)
    server.kill()
    answer = await async_client.get("/djust/health/")
    assert answer.status_code == 503
    assert CANARY not in answer.content.decode()
    await get_backend().aclose()


def test_the_guides_own_view(server: RedisServer) -> None:
    def health_check(request: HttpRequest) -> JsonResponse:
        try:
            stats = get_backend().get_stats()
            return JsonResponse(
                {"status": "healthy", "backend": stats["backend"], "sessions": stats["total_sessions"]}
            )
        except Exception as e:  # noqa: BLE001 - as users have read it
            return JsonResponse({"status": "unhealthy", "error": str(e)}, status=503)

    assert health_check(HttpRequest()).status_code == 200
    server.kill()
    answer = health_check(HttpRequest())
    assert answer.status_code == 503
    assert CANARY not in answer.content.decode()


def test_the_memory_backend_is_healthy(client: Client) -> None:
    assert client.get("/djust/health/").json()["backend"] == "memory"
    assert client.get("/djust/health/ready/").status_code == 200


MISCONFIGURED: list[dict[str, object]] = [
    {"STATE_BACKEND": "rediss"},
    {"STATE_BACKEND": "redis", "REDIS_URL": f"redis://:{CANARY}@host:port/0"},
    {"SESSION_TTL": CANARY},
]


@pytest.mark.parametrize("config", MISCONFIGURED)
def test_settings_that_cannot_be_used_are_unhealthy_and_not_told_to_the_world(
    config: dict[str, object], client: Client
) -> None:
    with override_settings(DJUST_CONFIG=config):
        for address in ("/djust/health/", "/djust/health/ready/"):
            answer = client.get(address)
            assert answer.status_code == 503
            assert answer.json()["status"] == "unhealthy"
            assert CANARY not in answer.content.decode()
        assert client.get("/djust/health/live/").status_code == 200


class CountingBackend(InMemoryStateBackend):
    """A backend of a project."""

    name = "counting"


async def test_a_backend_of_the_project(client: Client, async_client: AsyncClient) -> None:
    path = f"{CountingBackend.__module__}.{CountingBackend.__qualname__}"
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": path}):
        expected = {"status": "healthy", "backend": "counting", "sessions": 0, "maintenance": NOT_YET}
        assert (await async_client.get("/djust/health/")).json() == expected
        assert (await async_client.get("/djust/health/ready/")).status_code == 200
        assert (await sync_to_async(client.get)("/djust/health/")).json() == expected


def test_an_answer_is_never_cached(client: Client) -> None:
    for address in ("/djust/health/", "/djust/health/live/", "/djust/health/ready/"):
        assert "no-store" in client.get(address)["Cache-Control"]


# Whether maintenance goes on


@pytest.fixture
def maintained(client: Client) -> Callable[[], tuple[int, str, str]]:
    """Ask for the status code, and what the body says of maintenance."""

    def ask() -> tuple[int, str, str]:
        answer = client.get("/djust/health/")
        maintenance = answer.json()["maintenance"]
        return answer.status_code, maintenance["status"], maintenance["detail"]

    return ask


def run_all(ago: timedelta) -> None:
    for task in WATCHED:
        MaintenanceRun.objects.create(task=task, trigger="beat", started_at=timezone.now() - ago, outcome="done")


def test_what_stopped_is_said_in_the_body_and_never_by_the_status(
    maintained: Callable[[], tuple[int, str, str]],
) -> None:
    PeriodicTask.objects.update(date_changed=timezone.now() - timedelta(days=1))
    run_all(timedelta(hours=1))
    code, status, detail = maintained()
    assert (code, status) == (200, "late")
    assert detail.startswith("Nothing has run for 1 h: check that a worker and one beat are running")
    run_all(timedelta())
    assert maintained() == (200, "ok", "What is scheduled runs.")
    PeriodicTask.objects.update(enabled=False)
    assert maintained()[:2] == (200, "off")


def test_a_database_without_our_tables_is_unknown(maintained: Callable[[], tuple[int, str, str]]) -> None:
    with connection.schema_editor() as editor:
        editor.alter_db_table(MaintenanceRun, "djust_maintenancerun", "elsewhere")
    try:
        assert maintained()[:2] == (200, "unknown")
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(MaintenanceRun, "elsewhere", "djust_maintenancerun")
