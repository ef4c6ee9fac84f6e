"""Each variable of the example's environment changes the setting it stands for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import child_environment

EXAMPLE = Path(__file__).resolve().parents[2] / "example"

_PRINT = "import json; from config import settings as s; print(json.dumps(vars(s), default=lambda value: None))"
_VARIABLES = [
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DEBUG",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "BEHIND_HTTPS",
    "DATABASE_URL",
    "STATE_BACKEND",
    "REDIS_URL",
    "KEY_PREFIX",
    "SESSION_TTL",
    "SESSION_MAX_AGE",
    "PAGE_TTL",
    "DRAIN_SECONDS",
    "CELERY_BROKER_URL",
    "ADMINS",
    "EMAIL_HOST",
    "EMAIL_PORT",
    "EMAIL_FROM",
    "ALERT_RULES",
    "ALERT_URLS",
    "SITE_URL",
    "METRICS_TOKEN",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "ACCESS_LOG",
    "SERVE_STATIC",
    "STATIC_ROOT",
]


def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Import the settings in a process of its own."""
    clean = {name: value for name, value in child_environment().items() if name not in _VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", _PRINT],
        check=False,
        capture_output=True,
        text=True,
        cwd=EXAMPLE,
        env={**clean, "SECRET_KEY": "test", **environment},
    )


def settings(**environment: str) -> dict[str, Any]:
    """Return the settings under this environment."""
    done = run(environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def at(values: dict[str, Any], path: str) -> Any:
    """Follow a path of names with dots between."""
    found: Any = values
    for name in path.split("."):
        found = found.get(name)
    return found


CASES = [
    ("SECRET_KEY", "another", "SECRET_KEY", "test", "another"),
    ("SECRET_KEY_FALLBACKS", "older, oldest", "SECRET_KEY_FALLBACKS", [], ["older", "oldest"]),
    ("DEBUG", "1", "DEBUG", False, True),
    ("ALLOWED_HOSTS", "a.example, b.example", "ALLOWED_HOSTS", ["localhost", "127.0.0.1"], ["a.example", "b.example"]),
    ("CSRF_TRUSTED_ORIGINS", "https://a.example", "CSRF_TRUSTED_ORIGINS", [], ["https://a.example"]),
    ("BEHIND_HTTPS", "yes", "SESSION_COOKIE_SECURE", None, True),
    ("DATABASE_URL", "sqlite:////tmp/a.db", "DATABASES.default.NAME", None, "/tmp/a.db"),
    ("STATE_BACKEND", "memory", "DJUST_CONFIG.STATE_BACKEND", "redis", "memory"),
    ("REDIS_URL", "redis://r:1/2", "DJUST_CONFIG.REDIS_URL", "redis://localhost:6379/0", "redis://r:1/2"),
    ("KEY_PREFIX", "shop:", "DJUST_CONFIG.KEY_PREFIX", "djust:", "shop:"),
    ("SESSION_TTL", "90", "DJUST_CONFIG.SESSION_TTL", 7200, 90),
    ("SESSION_MAX_AGE", "86400", "DJUST_CONFIG.SESSION_MAX_AGE", None, 86400),
    ("PAGE_TTL", "20", "DJUST_CONFIG.PAGE_TTL", 60, 20),
    ("DRAIN_SECONDS", "5", "DJUST_CONFIG.DRAIN_SECONDS", 0, 5),
    ("CELERY_BROKER_URL", "redis://b:1/2", "CELERY_BROKER_URL", "redis://localhost:6380/0", "redis://b:1/2"),
    ("ADMINS", "a@a.example, b@b.example", "ADMINS", [], [["a@a.example"] * 2, ["b@b.example"] * 2]),
    ("EMAIL_HOST", "mail.example", "EMAIL_HOST", "localhost", "mail.example"),
    ("EMAIL_PORT", "2525", "EMAIL_PORT", 25, 2525),
    ("EMAIL_FROM", "shop@a.example", "SERVER_EMAIL", "djust@localhost", "shop@a.example"),
    (
        "ALERT_RULES",
        '{"evictions": {"enabled": false}}',
        "DJUST_CONFIG.ALERT_RULES",
        {},
        {"evictions": {"enabled": False}},
    ),
    ("ALERT_URLS", "json://a.example", "DJUST_CONFIG.ALERT_URLS", [], ["json://a.example"]),
    ("SITE_URL", "https://a.example", "DJUST_CONFIG.SITE_URL", None, "https://a.example"),
    ("METRICS_TOKEN", "secret", "DJUST_CONFIG.METRICS_TOKEN", None, "secret"),
    ("LOG_LEVEL", "warning", "LOGGING.root.level", "INFO", "WARNING"),
    ("LOG_FORMAT", "console", "LOGGING.formatters.djust.json", True, False),
    ("SERVE_STATIC", "off", "SERVE_STATIC", True, False),
    ("STATIC_ROOT", "/srv/static", "STATIC_ROOT", str(EXAMPLE / "static-files"), "/srv/static"),
]


@pytest.fixture(scope="module")
def defaults() -> dict[str, Any]:
    """The settings without any variable but the one that has no default."""
    return settings()


@pytest.mark.parametrize(("variable", "value", "path", "default", "changed"), CASES, ids=[case[0] for case in CASES])
def test_a_variable_changes_its_setting(defaults, variable, value, path, default, changed):
    if variable != "DATABASE_URL":
        assert at(defaults, path) == default
    assert at(settings(**{variable: value}), path) == changed


def test_the_access_log_can_be_switched_off(defaults):
    assert settings(ACCESS_LOG="0")["LOGGING"]["loggers"]["uvicorn.access"] == {"level": "WARNING"}
    assert defaults["LOGGING"]["loggers"]["uvicorn.access"] != {"level": "WARNING"}


def test_sqlite_lets_web_worker_and_beat_write_side_by_side(defaults):
    options = defaults["DATABASES"]["default"]["OPTIONS"]
    assert "journal_mode=WAL" in options["init_command"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] > 5
    assert settings(DATABASE_URL="sqlite:///a.db")["DATABASES"]["default"]["NAME"] == "a.db"


def test_a_postgresql_url_is_taken_apart():
    database = settings(DATABASE_URL="postgres://me:p%40ss@db.example:5433/shop")["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert [database[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        "me",
        "p@ss",
        "db.example",
        "5433",
        "shop",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", ""),
        ("DEBUG", "perhaps"),
        ("SESSION_TTL", "two hours"),
        ("EMAIL_PORT", "smtp"),
        ("DATABASE_URL", "oracle://x/y"),
    ],
)
def test_a_value_that_cannot_be_used_is_an_error_that_names_the_variable(variable, value):
    done = run({variable: value})
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {variable} must" in done.stderr


def test_every_variable_that_the_readme_names_is_tested():
    named = {
        line.split("`")[1]
        for line in (EXAMPLE / "README.md").read_text().splitlines()
        if line.startswith("| `") and line.split("`")[1].isupper()
    }
    assert named == set(_VARIABLES)
    assert named == {case[0] for case in CASES} | {"ACCESS_LOG"}
