"""What the acceptance tests look at: the history, and what the processes print."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from djust.state_backend import RedisStateBackend
from tests.acceptance.conftest import Site
from tests.servers.process import Process
from tests.servers.waiting import wait_until

CLEAN_UP, SAMPLE = "djust: clean up expired sessions", "djust: sample Redis memory"

ADMIN = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "pw",
    "DJANGO_SUPERUSER_EMAIL": "a@b.example",
}


class Row(NamedTuple):
    """A row of the history."""

    task: str
    trigger: str
    triggered_by: str
    task_id: str
    outcome: str
    removed: int
    reason: str
    error: str
    figures: dict[str, Any]


def query(site: Site, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Ask the site's SQLite file."""
    with _open(site) as connection:
        return connection.execute(sql, parameters).fetchall()


def _open(site: Site) -> sqlite3.Connection:
    return sqlite3.connect(Path(site.env["DATABASE_URL"].removeprefix("sqlite:///")), timeout=30)


def history(site: Site, **wanted: str) -> list[Row]:
    """Return the rows of the history that fit, oldest first."""
    rows = query(site, f"SELECT {', '.join(Row._fields)} FROM djust_maintenancerun ORDER BY id")
    found = [Row(*values, json.loads(figures)) for *values, figures in rows]
    return [row for row in found if all(getattr(row, name) == value for name, value in wanted.items())]


def every_second(site: Site, *names: str, expire_seconds: int = 30) -> None:
    """Let these schedules run every second and the others not at all. A beat that runs already would not notice."""
    url = site.env["DATABASE_URL"]
    chosen = ", ".join(f"'{name}'" for name in names)
    with psycopg.connect(url) if url.startswith("postgres") else _open(site) as connection:
        for sql in (
            "INSERT INTO django_celery_beat_intervalschedule (every, period) VALUES (1, 'seconds')",
            "UPDATE django_celery_beat_periodictask SET enabled = FALSE",
            f"UPDATE django_celery_beat_periodictask SET enabled = TRUE, expire_seconds = {expire_seconds},"
            " interval_id = (SELECT max(id) FROM django_celery_beat_intervalschedule)"
            f" WHERE name IN ({chosen})",
        ):
            connection.execute(sql)


def store(site: Site, count: int, ttl: float) -> None:
    """Store sessions where the site has them, and wait until their time is over."""
    with closing(RedisStateBackend(site.env["REDIS_URL"])) as backend:
        sessions = [backend.set(f"{number}-{ttl}", {}, ttl=ttl) for number in range(count)]
    last = max(session.last_active_at for session in sessions) + timedelta(seconds=ttl)
    wait_until(lambda: datetime.now(UTC) > last, what="them to be over")


def events(process: Process, name: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield what a process has printed as JSON so far; of one event, if ``name`` is given."""
    for line in process.output().splitlines():
        # The last line may not be complete yet.
        if line.startswith("{") and line.endswith("}"):
            event = json.loads(line)
            if name is None or event["event"] == name:
                yield event


def count(process: Process, name: str) -> int:
    """Return how often a process has logged an event so far."""
    return len(re.findall(f'"event": "{name}"', process.output()))
