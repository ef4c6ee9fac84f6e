"""What ``manage.py check`` says of the settings."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, current_app
from django.core.checks import Error, run_checks
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import clear_url_caches, include, path

from djust.checks import check_config, watching
from djust.log import NAME
from djust.signals import alert_fired
from tests.servers.process import child_environment

EXAMPLE = Path(__file__).resolve().parents[2] / "example"
CANARY = "canary-pa55word"
DATABASE_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
REDIS = {
    "STATE_BACKEND": "redis",
    "REDIS_URL": "redis://localhost:6379/0",
    "ALERT_URLS": ["json://alerts.example"],
    "METRICS_TOKEN": CANARY,
}


def own_health(request: HttpRequest) -> JsonResponse:
    """Stands for a project's own answer."""
    return JsonResponse({})


#: URLs of a project without addresses of ours, of one with its own health answer, and of one with metrics.
urlpatterns: list[Any] = []


@pytest.fixture
def celery() -> Iterator[Celery]:
    """Celery's current app, set up as it should be, whose settings a test may change."""
    app = Celery("shop", broker="redis://localhost:6380/0", set_as_current=False)
    app.conf.beat_scheduler = DATABASE_SCHEDULER
    before = current_app._get_current_object()
    app.set_current()
    yield app
    before.set_current()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The logger of djust with a handler of its own and apart from pytest's."""
    logger = logging.getLogger(NAME)
    handler = logging.NullHandler()
    before = logger.propagate, logger.level, logger.disabled
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    logger.propagate, logger.level, logger.disabled = before


@pytest.fixture(autouse=True)
def good(celery: Celery, logger: logging.Logger, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project in production with which nothing is wrong."""
    settings.DEBUG = False
    settings.DJUST_CONFIG = REDIS
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)


def ids() -> list[str]:
    """Return the ids of what ``check --deploy`` says about djust."""
    return [str(message.id) for message in run_checks(tags=["djust"], include_deployment_checks=True)]


def configure(settings: Any, **changes: Any) -> None:
    """Change some of djust's settings."""
    settings.DJUST_CONFIG = {**REDIS, **changes}


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert ids() == []


def test_what_is_about_production_is_said_only_when_asked(settings: Any) -> None:
    settings.DJUST_CONFIG = {"STATE_BACKEND": "memory"}
    assert run_checks(tags=["djust"]) == []
    assert "djust.W001" in ids()


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ({"STATE_BACKEND": "rediss"}, "Did you mean 'redis'?"),
        ({"SESSION_TLL": 3}, "Did you mean 'SESSION_TTL'?"),
        ({"STATE_BACKEND": "redis", "REDIS_URL": f"nonsense://:{CANARY}@host"}, "REDIS_URL"),
        ({"STATE_BACKEND": "redis", "REDIS_URL": f"redis://:{CANARY}@host:port/0"}, "REDIS_URL"),
        ({"STATE_BACKEND": "redis", "KEY_PREFIX": "{djust}"}, "KEY_PREFIX"),
        ({"SESSION_TTL": 1e300}, "DJUST_CONFIG['SESSION_TTL'] must be at most a century"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it_and_no_password(config: dict[str, Any], hint: str) -> None:
    with override_settings(DJUST_CONFIG=config):
        [error] = check_config()
        assert [name for name in ids() if name.startswith("djust.E")] == ["djust.E001"]
    assert isinstance(error, Error)
    assert error.id == "djust.E001"
    assert hint in error.msg
    assert CANARY not in error.msg


@pytest.mark.parametrize(
    ("rules", "hint"),
    [
        ({"memory_hihg": {"enabled": False}}, "Did you mean 'memory_high'?"),
        ({"memory_high": {"enabled": "no"}}, "must be True or False"),
    ],
)
def test_alert_rules_that_cannot_be_used(rules: dict[str, Any], hint: str, settings: Any) -> None:
    configure(settings, ALERT_RULES=rules)
    [message] = run_checks(tags=["djust"])
    assert (message.id, hint in message.msg) == ("djust.E002", True)
    configure(settings, ALERT_RULES={"memory_high": {"enabled": False}})
    assert ids() == []


# The store


def test_memory_in_production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(settings, STATE_BACKEND="memory")
    assert ids() == ["djust.W001"]
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    assert ids() == ["djust.W001"]
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert ids() == ["djust.W001", "djust.W002"]


@pytest.mark.parametrize(
    ("ttl", "most", "found"),
    [
        (7200, None, []),
        (60, None, []),
        (59, None, ["djust.W003"]),
        (0, None, ["djust.W003"]),
        (0, 86_400, []),
        (7200, 3600, ["djust.W003"]),
        (1_209_600, None, []),
        (1_209_601, None, ["djust.W004"]),
        (1_209_601, 1_209_602, ["djust.W004"]),
        (0, 1_209_601, ["djust.W004"]),
        (31 * 86_400, None, ["djust.W003", "djust.W004"]),
    ],
)
def test_a_lifetime_that_nobody_can_mean(ttl: float, most: float | None, found: list[str], settings: Any) -> None:
    configure(settings, SESSION_TTL=ttl, SESSION_MAX_AGE=most)
    assert ids() == found


def test_without_django_sessions_there_is_no_cookie_to_outlive(settings: Any) -> None:
    configure(settings, SESSION_TTL=1_209_601)
    settings.INSTALLED_APPS = [
        name
        for name in settings.INSTALLED_APPS
        if name not in ("django.contrib.admin", "django.contrib.sessions", "django.contrib.messages")
    ]
    assert ids() == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://cache.internal:6379/0", ["djust.W005"]),
        ("redis+cluster://cache.internal:6379", ["djust.W005"]),
        ("redis://app@cache.internal", ["djust.W005"]),
        (f"redis://:{CANARY}@cache.internal:6379/0", []),
        ("rediss://cache.internal?ssl_certfile=/etc/ssl/me.pem", []),
        ("redis://127.0.0.9:6379", []),
        ("redis://[::1]:6379", []),
        ("unix:///run/redis.sock?db=0", []),
        (f"redis://:{CANARY}@8.8.8.8:6379/0", ["djust.W006"]),
        (f"rediss://:{CANARY}@8.8.8.8:6379/0", []),
        (f"redis://:{CANARY}@10.0.1.2:6379/0", []),
        ("redis://[2001:4860:4860::8888]:6379/0", ["djust.W005", "djust.W006"]),
    ],
)
def test_the_way_to_redis(url: str, found: list[str], settings: Any) -> None:
    configure(settings, REDIS_URL=url)
    assert ids() == found
    messages = run_checks(tags=["djust"], include_deployment_checks=True)
    assert all(CANARY not in f"{message.msg} {message.hint}" for message in messages)


# The schedule


@pytest.mark.parametrize("url", ["memory://", "nonsense://host", None])
def test_a_broker_that_nobody_shares(url: str | None, celery: Celery) -> None:
    celery.conf.broker_url = url
    assert ids() == ["djust.W007"]


@pytest.mark.parametrize(
    ("store", "broker", "found"),
    [
        ("redis://localhost:6379/0", "redis://127.0.0.1:6379/5", ["djust.W008"]),
        ("redis://localhost", f"redis://:{CANARY}@LOCALHOST:6379/1", ["djust.W008"]),
        ("redis://:p@Cache.internal/1", "rediss://:p@cache.internal:6379/1", ["djust.W008"]),
        ("redis://localhost:6379/0", "redis://localhost:6380/0", []),
        ("redis://:p@a.internal/0", "redis://:p@b.internal/0", []),
        ("redis://localhost:5672/0", "amqp://localhost:5672//", []),
        ("redis://localhost:6379", "redis://localhost:6379/0;redis://localhost:6380/0", []),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock", []),
        ("redis://:p@a.internal:26379", "sentinel://a.internal:26379", []),
    ],
)
def test_one_server_for_sessions_and_broker(
    store: str, broker: str, found: list[str], celery: Celery, settings: Any
) -> None:
    configure(settings, REDIS_URL=store)
    celery.conf.broker_url = broker
    assert ids() == found
    messages = run_checks(tags=["djust"], include_deployment_checks=True)
    assert all(CANARY not in f"{message.msg} {message.hint}" for message in messages)


def test_no_schedule_in_the_database(settings: Any) -> None:
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_celery_beat"]
    assert ids() == ["djust.W009"]


@pytest.mark.parametrize(
    ("scheduler", "found"),
    [
        (DATABASE_SCHEDULER, []),
        ("django_celery_beat.schedulers.DatabaseScheduler", []),
        ("django", []),
        ("celery.beat:PersistentScheduler", ["djust.W010"]),
        ("nowhere.schedulers:DatabaseScheduler", ["djust.W010"]),
    ],
)
def test_a_beat_that_does_not_read_the_database(scheduler: str, found: list[str], celery: Celery) -> None:
    celery.conf.beat_scheduler = scheduler
    assert ids() == found


@pytest.mark.parametrize(
    ("name", "task", "found"),
    [
        ("tidy", "djust.tasks.cleanup_expired_sessions", ["djust.W011"]),
        ("djust: check evictions", "shop.tasks.other", ["djust.W011"]),
        ("mail", "shop.tasks.mail", []),
    ],
)
def test_a_schedule_that_overwrites_the_admin(name: str, task: str, found: list[str], celery: Celery) -> None:
    celery.conf.beat_schedule = {name: {"task": task, "schedule": 60}}
    assert ids() == found


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ({"djust.*": {"queue": "upkeep"}}, ["djust.I001"]),
        ({"djust.tasks.reconcile": "slow"}, ["djust.I001"]),
        ({"shop.*": {"queue": "shop"}}, []),
        ({"djust.*": {"exchange": "upkeep", "routing_key": "upkeep"}}, []),
    ],
)
def test_a_queue_of_its_own(routes: dict[str, Any], found: list[str], celery: Celery) -> None:
    celery.conf.task_routes = routes
    assert ids() == found


def test_a_queue_that_is_declared_nowhere_is_left_to_celery(celery: Celery) -> None:
    celery.conf.task_create_missing_queues = False
    celery.conf.task_routes = {"djust.*": {"queue": "upkeep"}}
    assert ids() == []


def test_the_memory_backend_needs_no_celery(celery: Celery, settings: Any) -> None:
    configure(settings, STATE_BACKEND="memory")
    celery.conf.broker_url = None
    settings.INSTALLED_APPS = [name for name in settings.INSTALLED_APPS if name != "django_celery_beat"]
    assert ids() == ["djust.W001"]


# Watching


def test_a_log_that_nobody_reads(logger: logging.Logger) -> None:
    logger.setLevel(logging.ERROR)
    assert ids() == ["djust.W012"]
    logger.setLevel(logging.WARNING)
    assert ids() == []
    logger.disabled = True
    assert ids() == ["djust.W012"]
    logger.disabled = False
    logger.handlers.clear()
    assert ids() == ["djust.W012"]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([], ["djust.W013"]),
        ([path("shop/", own_health)], ["djust.W013"]),
        ([path("state/", include("djust.urls"))], []),
        ([path("up/", include([path("health/", own_health)]))], []),
    ],
)
def test_no_address_for_health(patterns: list[Any], found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.urlpatterns", patterns)
    assert ids() == found


@pytest.mark.parametrize("urls", ["", "nowhere.urls"])
def test_urls_that_cannot_be_read_are_left_to_django(urls: str, settings: Any) -> None:
    settings.ROOT_URLCONF = urls
    assert ids() == ["djust.W013"]


@pytest.mark.urls(__name__)
def test_metrics_for_anybody(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(settings, METRICS_TOKEN=None)
    monkeypatch.setattr(f"{__name__}.urlpatterns", [path("health/", own_health), path("metrics/", own_health)])
    assert ids() == []
    monkeypatch.setattr(f"{__name__}.urlpatterns", [path("state/", include("djust.urls"))])
    clear_url_caches()
    assert ids() == ["djust.W014"]
    configure(settings)
    assert ids() == []
    configure(settings, METRICS_TOKEN=None)
    hide(monkeypatch, "prometheus_client")
    assert ids() == []


def hide(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let a package look as if it were not installed."""
    real = watching.find_spec

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name == package else real(name)

    monkeypatch.setattr(watching, "find_spec", find_spec)


def test_services_without_what_sends_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "apprise")
    assert [message.id for message in run_checks(tags=["djust"])] == ["djust.W015"]


def test_alerts_that_reach_nobody(settings: Any) -> None:
    configure(settings, ALERT_URLS=[])
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert ids() == ["djust.W016"]
    settings.ADMINS = [("Ada", "ada@shop.example")]
    assert ids() == []
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert ids() == ["djust.W017"]
    configure(settings, ALERT_URLS=[], ALERT_EMAIL=False)
    assert ids() == ["djust.W016"]

    def receiver(**_: Any) -> None:
        """Wake somebody."""

    alert_fired.connect(receiver)
    try:
        assert ids() == []
    finally:
        alert_fired.disconnect(receiver)


def test_any_of_them_can_be_silenced(settings: Any) -> None:
    configure(settings, STATE_BACKEND="memory")
    settings.SILENCED_SYSTEM_CHECKS = ["djust.W001"]
    [message] = run_checks(tags=["djust"], include_deployment_checks=True)
    assert message.is_silenced()


# The example


def test_the_example_in_production_passes() -> None:
    environment = {
        "SECRET_KEY": "only-for-tests-abcdefghijklmnopqrstuvwxyz-0123456789",
        "ALLOWED_HOSTS": "shop.example",
        "BEHIND_HTTPS": "1",
        "ADMINS": "ada@shop.example",
        "METRICS_TOKEN": CANARY,
        "REDIS_URL": f"redis://:{CANARY}@state.internal:6379/0",
        "CELERY_BROKER_URL": f"redis://:{CANARY}@broker.internal:6379/0",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy"],
        check=False,
        capture_output=True,
        text=True,
        cwd=EXAMPLE,
        env=child_environment(environment),
    )
    assert done.returncode == 0, done.stderr
    assert "djust." not in done.stdout + done.stderr
    # Django misses nothing but the promise of HTTPS to browsers (HSTS), which only the owner of a name can make.
    assert set(re.findall(r"security\.[EW]\d+", done.stderr)) <= {"security.W004"}
