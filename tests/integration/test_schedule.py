"""The default schedule appears after migrate, once, and belongs to the admin from then on."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers.postgres import Postgres
from tests.servers.process import child_environment

ROOT = Path(__file__).resolve().parents[2]
ORIGINAL = "schedule_original"
ALL = {
    "djust: clean up expired sessions": True,
    "djust: sample Redis memory": True,
    "djust: check evictions": True,
    "djust: reconcile": False,
    "djust: clear Django sessions": False,
}


class Django:
    """``django-admin`` on two databases, empty at first; the settings of most tests know only the one named first."""

    def __init__(self, urls: dict[str, str]) -> None:
        self._urls = urls

    def __call__(self, *arguments: str, settings: str = "tests.settings", env: Mapping[str, str] | None = None) -> str:
        """Run a command and return what it printed."""
        urls = {"TEST_DATABASE_URL": self._urls["default"], "TEST_SECOND_DATABASE_URL": self._urls["second"]}
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=child_environment({"DJANGO_SETTINGS_MODULE": settings, **urls, **(env or {})}),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def migrate(self, *runs: str, **options: Any) -> None:
        """Run ``migrate`` with the arguments in each text, one after the other in one process."""
        calls = "\n".join(f"call_command('migrate', *{run.split()!r}, verbosity=0)" for run in runs)
        self("shell", "-v0", "-c", f"from django.core.management import call_command\n{calls}", **options)

    def query(self, sql: str, database: str = "default") -> list[tuple[Any, ...]]:
        """Ask a database, or change it, without Django."""
        url = self._urls[database]
        connect: Any = psycopg.connect if url.startswith("postgres") else sqlite3.connect
        with closing(connect(url.removeprefix("sqlite:///"))) as connection:
            cursor = connection.execute(sql)
            rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            connection.commit()
        return rows


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which databases it is about."""
    return str(request.param)


@pytest.fixture
def django(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Django:
    """Two databases of its own."""

    def database(name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}"
        postgres: Postgres = request.getfixturevalue("postgres")
        return postgres.create_database(f"schedule_{name}_{tmp_path.name.replace('-', '_')}")

    return Django({name: database(name) for name in ("default", "second")})


@pytest.fixture(scope="module")
def original(request: pytest.FixtureRequest, kind: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database as ``migrate`` leaves it. Take ``migrated``."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('original') / 'database'}"
    else:
        url = request.getfixturevalue("postgres").create_database(ORIGINAL)
    Django({"default": url, "second": url})("migrate", "-v0")
    return url


@pytest.fixture
def migrated(request: pytest.FixtureRequest, kind: str, original: str, tmp_path: Path) -> Django:
    """A database of its own, as ``migrate`` leaves it."""
    if kind == "sqlite":
        url = f"sqlite:///{shutil.copy(original.removeprefix('sqlite:///'), tmp_path)}"
    else:
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"schedule_{tmp_path.name.replace('-', '_')}", template=ORIGINAL)
    return Django({"default": url, "second": url})


def rows(django: Django, database: str = "default") -> dict[str, bool]:
    """Return the names of the tasks that are not Celery's own, and whether they are enabled."""
    sql = "SELECT name, enabled FROM django_celery_beat_periodictask WHERE task NOT LIKE 'celery.%'"
    return {name: bool(enabled) for name, enabled in django.query(sql, database)}


def change(django: Django, code: str) -> None:
    """Do what an admin might do."""
    django("shell", "-v0", "-c", f"from django_celery_beat.models import *\n{code}")


def test_the_rows_are_there_after_migrate(migrated: Django) -> None:
    assert rows(migrated) == ALL


def test_they_are_there_too_when_djust_is_migrated_first(django: Django) -> None:
    django.migrate("djust", "django_celery_beat")
    assert rows(django) == ALL


def test_no_later_migrate_undoes_what_an_admin_did(migrated: Django) -> None:
    change(
        migrated,
        "minute = IntervalSchedule.objects.create(every=7, period='minutes')\n"
        "PeriodicTask.objects.filter(name='djust: clean up expired sessions').update(interval=minute, enabled=False)\n"
        "PeriodicTask.objects.filter(name='djust: reconcile').update(name='mine', enabled=True)\n"
        "PeriodicTask.objects.get(name='djust: check evictions').delete()",
    )
    expected = {**ALL, "djust: clean up expired sessions": False, "mine": True}
    del expected["djust: check evictions"], expected["djust: reconcile"]
    migrated.migrate("", "djust", "django_celery_beat")
    assert rows(migrated) == expected
    interval = (
        "SELECT every, period FROM django_celery_beat_periodictask t"
        " JOIN django_celery_beat_intervalschedule i ON i.id = t.interval_id"
        " WHERE t.name = 'djust: clean up expired sessions'"
    )
    assert migrated.query(interval) == [(7, "minutes")]


def test_a_flush_begins_anew(migrated: Django) -> None:
    migrated.query("DELETE FROM django_celery_beat_periodictask")
    migrated("flush", "--no-input", "-v0")
    assert rows(migrated) == ALL


def test_equal_intervals_and_a_row_of_that_name_are_no_trouble(django: Django) -> None:
    django.migrate("django_celery_beat")
    change(
        django,
        "first, second = (IntervalSchedule.objects.create(every=60, period='seconds') for _ in range(2))\n"
        "PeriodicTask.objects.create(name='djust: reconcile', task='mine', interval=first, enabled=True)",
    )
    django("migrate", "-v0")
    assert rows(django) == {**ALL, "djust: reconcile": True}


def test_messages_expire_before_the_next_one_comes(migrated: Django) -> None:
    schedules = migrated.query(
        "SELECT t.name, t.expire_seconds, i.every, i.period FROM django_celery_beat_periodictask t"
        " JOIN django_celery_beat_intervalschedule i ON i.id = t.interval_id WHERE t.name LIKE 'djust: %'"
    )
    assert {name for name, *_ in schedules} == ALL.keys()
    for name, expire_seconds, every, period in schedules:
        assert timedelta(seconds=expire_seconds) < timedelta(**{period: every}), name


def test_the_package_works_without_celery_beat_installed(django: Django) -> None:
    django("migrate", "-v0", settings="tests.settings_without_beat")


def test_tables_of_an_older_celery_beat_are_migrated_before_rows_are_made(django: Django) -> None:
    django.migrate("django_celery_beat 0001", "djust", "")
    assert rows(django) == ALL


@pytest.mark.parametrize(
    ("apps", "order"),
    [
        ("", "second default"),
        ("djust django_celery_beat", "default second"),
        ("django_celery_beat", "default second"),
        ("django_celery_beat", "second default"),
        ("djust", "second default"),
    ],
)
def test_the_rows_are_where_beat_reads_them_in_a_project_with_two_databases(
    django: Django, apps: str, order: str
) -> None:
    options: Any = {"settings": "tests.settings_two_databases", "env": {"TEST_SECOND_APPS": apps}}
    django.migrate(*(f"--database={database}" for database in order.split()), **options)
    # Where the router lets beat read them.
    assert rows(django, "second" if "django_celery_beat" in apps else "default") == ALL
