"""What the acceptance tests look at: the history, and what the processes print."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.conftest import Site
from tests.servers.process import Process

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
    with sqlite3.connect(Path(site.env["DATABASE_URL"].removeprefix("sqlite:///")), timeout=30) as connection:
        return connection.execute(sql, parameters).fetchall()


def history(site: Site, **wanted: str) -> list[Row]:
    """Return the rows of the history that fit, oldest first."""
    rows = query(site, f"SELECT {', '.join(Row._fields)} FROM djust_maintenancerun ORDER BY id")
    found = [Row(*values, json.loads(figures)) for *values, figures in rows]
    return [row for row in found if all(getattr(row, name) == value for name, value in wanted.items())]


def every_second(site: Site, *names: str, expire_seconds: int = 30) -> None:
    """Let these schedules run every second and the others not at all, as somebody would in a shell."""
    site.manage(
        "shell",
        "-c",
        "from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks\n"
        "second = IntervalSchedule.objects.create(every=1, period='seconds')\n"
        "PeriodicTask.objects.update(enabled=False)\n"
        f"chosen = PeriodicTask.objects.filter(name__in={names!r})\n"
        f"chosen.update(interval=second, enabled=True, expire_seconds={expire_seconds})\n"
        "PeriodicTasks.update_changed()",
    )


def store(site: Site, count: int, ttl: float) -> None:
    """Store sessions through the site's own settings."""
    site.manage(
        "shell",
        "-c",
        "from djust.state_backend import get_backend\n"
        f"for n in range({count}): get_backend().set(f'{{n}}-{ttl}', {{}}, ttl={ttl})",
    )


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
