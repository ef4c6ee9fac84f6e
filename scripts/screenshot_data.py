"""Fills a site for its pictures: a day of history, then real sessions until Redis evicts some, and a real check.

Runs inside the site (``manage.py shell``), see ``scripts/screenshots.py``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from djust.maintenance import record_run
from djust.models import MaintenanceRun, MemorySample, SessionLoss
from djust.monitoring.check import check_evictions
from djust.monitoring.sampling import sample_memory
from djust.sessions import clean_up
from djust.state_backend import get_backend

LIVE, CROWD = 17_500, 4_500
LABELS = tuple(f"packing.pages.{page}" for page in ("trip.TripPage", "plan.PlanPage", "start.StartPage"))
_TASK, _OUTCOME = MaintenanceRun.Task, MaintenanceRun.Outcome
_NAMES = {
    _TASK.CLEANUP: "djust: clean up expired sessions",
    _TASK.SAMPLE_MEMORY: "djust: sample Redis memory",
    _TASK.CHECK_EVICTIONS: "djust: check evictions",
}


def fill() -> None:
    """Make everything that the pictures show."""
    random.seed(7)
    User.objects.create_superuser("ada", "ada@example.com", "pw")
    now = timezone.now()
    live = [(f"visitor-{number:05}", random.choice(LABELS)) for number in range(LIVE)]
    _store(live, 86_400)
    sample_memory()
    check_evictions()
    last = MemorySample.objects.get()
    last.delete()
    MemorySample.objects.bulk_create(_samples(last, now), batch_size=200)
    MaintenanceRun.objects.bulk_create(_runs(now), batch_size=200)
    SessionLoss.objects.bulk_create(_losses(last.node, now))
    PeriodicTask.objects.filter(name__in=_NAMES.values()).update(last_run_at=now - timedelta(seconds=20))
    # More than there is room for; those that end first are the first to go.
    _store([(f"crowd-{number:05}", LABELS[-1]) for number in range(CROWD)], 1800)
    with override_settings(
        ADMINS=[("Ada", "ada@example.com")], EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend"
    ):
        for task, work in (
            (_TASK.CLEANUP, lambda: clean_up(trigger="beat").as_dict()),
            (_TASK.SAMPLE_MEMORY, lambda: sample_memory(trigger="beat")),
            (_TASK.CHECK_EVICTIONS, lambda: check_evictions(trigger="beat")),
        ):
            with record_run(task, trigger="beat", triggered_by=_NAMES[task]) as run:
                run.finish(work())


def _store(sessions: list[tuple[str, str]], ttl: float) -> None:
    backend = get_backend()
    for key, label in sessions:
        state = {"items": random.randbytes(random.randint(800, 3800)), "step": 3, "seen": timezone.now()}
        backend.set(key, state, ttl=ttl, owner=f"user-{hash(key) % 5000}", label=label)


def _samples(last: MemorySample, now: datetime) -> Iterator[MemorySample]:
    """Yield a day that leads to the figures of a real sample, with a pause in which nobody sampled."""
    assert last.used_bytes
    assert last.sessions
    assert last.bytes_per_session
    for minute in range(1440, 0, -1):
        if 490 < minute < 545:
            continue
        at = now - timedelta(minutes=minute)
        share = 0.62 + 0.38 * math.cos(minute / 1440 * 2 * math.pi) + random.uniform(-0.008, 0.008)
        sessions = int(last.sessions * share)
        yield MemorySample(
            node=last.node,
            run_id=last.run_id,
            sampled_at=at,
            used_bytes=int(last.used_bytes - (last.sessions - sessions) * last.bytes_per_session),
            limit_bytes=last.limit_bytes,
            limit_source=last.limit_source,
            policy=last.policy,
            span_seconds=60,
            evicted=random.randint(30, 160) if 320 < minute < 345 else 0,
            expired=0,
            sessions=sessions,
            bytes_per_session=last.bytes_per_session,
            bytes_per_session_margin=last.bytes_per_session_margin,
            lost_estimate=0,
            counters=last.counters if minute == 1 else {},
        )


def _losses(node: str, now: datetime) -> Iterator[SessionLoss]:
    for minute in range(322, 345, 3):
        count = random.randint(8, 60)
        yield SessionLoss(
            found_at=now - timedelta(minutes=minute),
            node=node,
            cause=SessionLoss.Cause.EVICTED,
            sessions=count,
            owners=count,
            labels={LABELS[0]: count // 2, LABELS[1]: count - count // 2},
        )


def _runs(now: datetime) -> Iterator[MaintenanceRun]:
    for minute in range(1440, 0, -1):
        if 490 < minute < 545:
            continue
        at = now - timedelta(minutes=minute)
        left = random.randint(80, 400) if 200 < minute < 330 else 0
        removed = int(120 * (0.62 + 0.38 * math.cos(minute / 1440 * 2 * math.pi)) * random.uniform(0.7, 1.3))
        for number, (task, milliseconds) in enumerate(
            ((_TASK.CLEANUP, 41.0), (_TASK.SAMPLE_MEMORY, 12.0), (_TASK.CHECK_EVICTIONS, 320.0))
        ):
            cleanup = task == _TASK.CLEANUP
            yield MaintenanceRun(
                task=task,
                trigger="beat",
                triggered_by=_NAMES[task],
                started_at=at + timedelta(seconds=number),
                duration_ms=milliseconds * random.uniform(0.8, 1.4),
                outcome=_OUTCOME.PARTIAL if cleanup and left else _OUTCOME.DONE,
                removed=removed if cleanup else 0,
                figures={"removed": removed, "remaining": left} if cleanup else {},
            )
