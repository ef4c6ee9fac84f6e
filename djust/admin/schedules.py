"""The schedules of the maintenance tasks as django-celery-beat keeps them: what beat will do, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import ImproperlyConfigured
from django.apps import apps
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from djust.models import MaintenanceRun
from djust.monitoring.status.schedules import schedule_of
from djust.monitoring.wording import duration
from djust.schedule import BEAT_APP
from djust.tasks.queue import TASKS

#: What the name of a task of this package starts with.
PREFIX = "djust.tasks."

#: Within this time beat has written down what it sent.
BEAT_WRITES = timedelta(minutes=10)

_TASKS_BY_NAME = {str(task.name): name for name, task in TASKS.items()}


class UnusableArguments(ValueError):
    """The arguments of a schedule are not the JSON that beat could send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A row of the page: a schedule, or a task that has none."""

    name: str
    task: MaintenanceRun.Task | None
    #: ``None``: the task has no schedule.
    pk: int | None = None
    description: str = ""
    every: str = ""
    enabled: bool = False
    #: When beat will send it; ``None``: never, or not known, and ``why`` says which.
    next_at: datetime | None = None
    why: str = ""
    #: When beat sent what no worker has run; ``None``: no sign of that.
    in_vain_at: datetime | None = None
    last_run: MaintenanceRun | None = None


def beat_installed() -> bool:
    """Return whether the project uses django-celery-beat."""
    return apps.is_installed(BEAT_APP)


def find_row(pk: int) -> Any:
    """Return the ``PeriodicTask`` of a task of this package, or ``None``."""
    if not beat_installed():
        return None
    return apps.get_model(BEAT_APP, "PeriodicTask").objects.filter(pk=pk, task__startswith=PREFIX).first()


def arguments_of(row: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the named arguments that beat sends for a ``PeriodicTask``.

    Raises:
        UnusableArguments: Beat could not send them.
    """
    try:
        args, kwargs = json.loads(row.args or "[]"), json.loads(row.kwargs or "{}")
    except ValueError:
        args = kwargs = None
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UnusableArguments(_("The arguments of %(name)s are not JSON that beat can send.") % {"name": row.name})
    return args, kwargs


def task_of(row: Any) -> MaintenanceRun.Task | None:
    """Return which of our tasks a ``PeriodicTask`` sends; ``None``: one of another release."""
    return _TASKS_BY_NAME.get(row.task)


def list_schedules(now: datetime) -> list[Schedule]:
    """Return the schedules of our tasks by name, and after them the tasks that have none."""
    last_runs = _last_runs()
    sent = _sent_lately(now)
    rows = []
    if beat_installed():
        kinds = ("interval", "crontab", "solar", "clocked")
        found = apps.get_model(BEAT_APP, "PeriodicTask").objects.filter(task__startswith=PREFIX)
        for row in found.select_related(*kinds).order_by("name"):
            task = task_of(row)
            last_run = last_runs.get(task or "")
            next_at, why = next_run(row, now, sent.get(row.name))
            in_vain_at = None
            known = schedule_of(row, now) if row.enabled and not row.one_off else None
            if known is not None and known.sent_in_vain(last_run.started_at if last_run else None, now):
                # Beat goes on sending, and writes that down only every few minutes.
                in_vain_at, next_at = known.sent_at, known.next_after(next_at or now, now)
            rows.append(
                Schedule(
                    pk=row.pk,
                    name=row.name,
                    task=task,
                    description=row.description,
                    every=_every(row),
                    enabled=row.enabled,
                    next_at=next_at,
                    why=why,
                    in_vain_at=in_vain_at,
                    last_run=last_run,
                )
            )
    scheduled = {row.task for row in rows}
    rows += [
        Schedule(name=str(task.label), task=task, why=_("no schedule"), last_run=last_runs.get(task))
        for task in TASKS
        if task not in scheduled
    ]
    return rows


def next_run(row: Any, now: datetime, sent_at: datetime | None = None) -> tuple[datetime | None, str]:
    """Return when beat will send a ``PeriodicTask``, or why it will not.

    Beat counts from when it sent it last, or else from the last change of the row. A moment that has passed means
    that beat is late, or does not run.

    Args:
        row: The ``PeriodicTask``.
        now: The current time.
        sent_at: When beat is known to have sent it, if that is later than the row says.
    """
    if not row.enabled:
        return None, _("off")
    if row.expires is not None and row.expires <= now:
        return None, _("expired")
    if row.one_off and row.total_run_count:
        return None, _("done")
    if row.start_time is not None and row.start_time > now:
        return row.start_time, ""
    if row.scheduler is None:
        return None, _("no schedule")
    try:
        return _next_by_schedule(row, now, sent_at), ""
    except (ImproperlyConfigured, OverflowError, RuntimeError, TypeError, ValueError):
        return None, _("not known")


def _next_by_schedule(row: Any, now: datetime, sent_at: datetime | None) -> datetime:
    if row.clocked is not None:
        moment: datetime = row.clocked.clocked_time
        return moment
    sent = [at for at in (row.last_run_at, sent_at) if at is not None]
    if not sent and row.start_time is not None:
        return now  # Due since its start, which has passed.
    since: datetime = max(sent, default=row.date_changed)
    if row.interval is not None:
        every: timedelta = row.interval.schedule.run_every
        return since + every
    if timezone.is_naive(since):
        since = timezone.make_aware(since)
    if row.crontab is not None:
        since = since.astimezone(row.crontab.timezone)
    remaining: timedelta = row.schedule.remaining_estimate(since)
    return now + remaining


def _every(row: Any) -> str:
    """Return a schedule in words: an interval in the units of the page, the rest as django-celery-beat says it."""
    if row.interval is not None:
        return _("every %(time)s") % {"time": duration(row.interval.schedule.run_every.total_seconds())}
    return str(row.scheduler or "")


def _last_runs() -> dict[str, MaintenanceRun]:
    last = MaintenanceRun.objects.order_by().values("task").annotate(last=Max("pk")).values("last")
    return {run.task: run for run in MaintenanceRun.objects.filter(pk__in=list(last.values_list("last", flat=True)))}


def _sent_lately(now: datetime) -> dict[str, datetime]:
    """Return when the runs of each schedule began. Beat itself writes down what it sent only every few minutes."""
    runs = MaintenanceRun.objects.filter(trigger=MaintenanceRun.Trigger.BEAT, started_at__gt=now - BEAT_WRITES)
    return dict(runs.order_by().values_list("triggered_by").annotate(Max("started_at")))
