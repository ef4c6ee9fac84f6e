"""The history in Django admin, and "Run now"."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import redis
from celery import Celery, current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from djust.models import MaintenanceRun
from djust.tasks import queue
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db
LIST = "/admin/djust/maintenancerun/"


@pytest.fixture
def broker() -> Iterator[Celery]:
    """Celery's current app, whose broker a test may set."""
    app = current_app._get_current_object()
    before = app.conf.broker_url
    yield app
    app.conf.broker_url = before


@pytest.fixture
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the page wait for the broker for less than a person would."""
    monkeypatch.setattr(queue, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(queue, "IMPATIENT", {**queue.IMPATIENT, "socket_connect_timeout": 0.3, "socket_timeout": 0.3})


@pytest.fixture
def run() -> MaintenanceRun:
    """A run with figures."""
    return MaintenanceRun.objects.create(
        task="cleanup",
        trigger="beat",
        triggered_by="djust: clean up expired sessions",
        started_at=timezone.now(),
        outcome="partial",
        reason="The time budget is spent.",
        removed=1234,
        figures={"remaining": 56789, "oldest_overdue_seconds": None},
    )


def person(*permissions: str) -> Client:
    """Return a browser in which a member of staff with these permissions is logged in."""
    user = User.objects.create_user("grace", password="pw", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_the_list_shows_what_ran_and_filters(admin_client: Client, run: MaintenanceRun) -> None:
    page = admin_client.get(LIST).content.decode()
    assert "schedule: djust: clean up expired sessions" in page
    assert "56,789" in page
    assert "1,234" in page
    assert "◐ partial" in page
    assert "djust/admin.css" in page
    for query in ("task=cleanup", "trigger__exact=beat", "outcome__exact=failed", "q=djust"):
        assert admin_client.get(f"{LIST}?{query}", follow=True).status_code == 200
    assert "0 maintenance runs" in admin_client.get(f"{LIST}?outcome__exact=failed").content.decode()


def test_a_run_shows_its_figures_and_cannot_be_changed(admin_client: Client, run: MaintenanceRun) -> None:
    address = f"{LIST}{run.pk}/change/"
    page = admin_client.get(address).content.decode()
    assert "56,789" in page
    assert "The time budget is spent." in page
    assert admin_client.post(address, {"outcome": "done"}).status_code == 403
    assert admin_client.post(f"{LIST}{run.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    run.refresh_from_db()
    assert run.outcome == "partial"


def test_figures_are_tables_and_what_is_unavailable_says_why(admin_client: Client, run: MaintenanceRun) -> None:
    run.figures = {
        "servers": [{"node": "host:1", "used_bytes": None, "unavailable": {"used_bytes": "INFO was refused <here>"}}],
        "limit_bytes": 3_145_728,
        "usage": 0.5,
        "found": {},
        "all": True,
        "cursor": None,
    }
    run.save()
    page = admin_client.get(f"{LIST}{run.pk}/change/").content.decode()
    assert "unavailable: INFO was refused &lt;here&gt;" in page
    assert "3,145,728 (3.0\xa0MB)" in page
    for name, text in (("usage", "50.0%"), ("found", "-"), ("all", "yes"), ("cursor", "-")):
        assert f'<th scope="row">{name}</th><td>{text}</td>' in page


def test_a_run_that_removes_nothing_by_its_nature_shows_no_zero(admin_client: Client, run: MaintenanceRun) -> None:
    run.figures, run.removed = {"backend": "redis"}, 0
    run.save()
    page = admin_client.get(LIST).content.decode()
    assert '<td class="field-freed">-</td>' in page
    assert '<td class="field-left">-</td>' in page


def test_an_outcome_of_a_newer_release_is_shown(admin_client: Client, run: MaintenanceRun) -> None:
    MaintenanceRun.objects.update(outcome="halted")
    assert "? halted" in admin_client.get(LIST).content.decode()


def test_run_now_queues_the_real_task(admin_client: Client, broker: Celery, redis7: RedisServer) -> None:
    broker.conf.broker_url = f"redis://{redis7.host}:{redis7.port}/9"
    with redis.Redis(host=redis7.host, port=redis7.port, db=9) as client:
        client.delete("celery")
        page = admin_client.post(f"{LIST}run/cleanup/", follow=True).content.decode()
        assert "Queued: clean up expired sessions" in page
        [message] = client.lrange("celery", 0, -1)
        client.delete("celery")
    assert b"djust.tasks.cleanup_expired_sessions" in message
    assert b'"expires": null' not in message
    assert b'"djust_triggered_by": "admin"' in message
    assert "Queued: clean up expired sessions" in LogEntry.objects.get().change_message


def test_a_broker_that_is_away_is_an_error_message(admin_client: Client, broker: Celery) -> None:
    broker.conf.broker_url = f"redis://127.0.0.1:{free_port()}/0"
    page = admin_client.post(f"{LIST}run/cleanup/", follow=True).content.decode()
    assert "The Celery broker cannot be reached" in page
    assert not LogEntry.objects.exists()


def test_a_full_broker_and_a_wrong_password_are_error_messages(
    admin_client: Client, broker: Celery, redis_server: Callable[..., RedisServer]
) -> None:
    full = redis_server(maxmemory="1mb", policy="noeviction")
    closed = redis_server(password="right")
    for url in (full.url, f"redis://:wrong@{closed.host}:{closed.port}/0"):
        broker.conf.broker_url = url
        page = admin_client.post(f"{LIST}run/cleanup/", follow=True).content.decode()
        assert "cannot be reached or takes no messages" in page
        assert "wrong" not in page


@pytest.mark.usefixtures("little_patience")
def test_a_broker_whose_host_swallows_connections_does_not_hold_the_page(admin_client: Client, broker: Celery) -> None:
    with socket.socket() as deaf, ExitStack() as stack:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        broker.conf.broker_url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        page = admin_client.post(f"{LIST}run/cleanup/", follow=True).content.decode()
    assert "The Celery broker cannot be reached" in page


@pytest.mark.usefixtures("little_patience")
def test_a_broker_that_does_not_answer_does_not_hold_the_page(admin_client: Client, broker: Celery) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker.conf.broker_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        started = time.monotonic()
        page = admin_client.post(f"{LIST}run/cleanup/", follow=True).content.decode()
        assert "The Celery broker cannot be reached" in page
        # Without a limit this would never come back: it is the limit that is tested, not a speed.
        assert time.monotonic() - started < 30


def test_who_may_only_look_has_no_buttons(run: MaintenanceRun) -> None:
    client = person("view_maintenancerun")
    page = client.get(LIST)
    assert page.status_code == 200
    assert "Run now" not in page.content.decode()
    assert client.post(f"{LIST}run/cleanup/").status_code == 403


def test_run_now_needs_a_post_a_known_task_and_a_token(admin_client: Client) -> None:
    assert admin_client.get(f"{LIST}run/cleanup/").status_code == 405
    assert admin_client.post(f"{LIST}run/nothing/").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="admin"))
    assert strict.post(f"{LIST}run/cleanup/").status_code == 403


def test_who_may_run_sees_the_buttons() -> None:
    page = person("view_maintenancerun", "run_maintenance").get(LIST).content.decode()
    assert page.count("/run/") == 5
