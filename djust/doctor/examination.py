"""Looks at everything, in the order in which one thing depends on another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from djust.conf import get_config
from djust.doctor import broker, database, schedule, servers, settings, store, workers
from djust.doctor.findings import Finding, Item, Status, problem, skipped, unavailable
from djust.doctor.probe import Probe, open_probes
from djust.doctor.workers import Answers
from djust.exceptions import DjustError
from djust.monitoring.status.heartbeat import heartbeat
from djust.schedule import BEAT_APP
from djust.state_backend import RedisStateBackend
from djust.state_backend.base import StateBackend
from djust.state_backend.redis.address import parse_address
from djust.state_backend.registry import get_backend
from djust.tasks.queue import BrokerUnavailable

_STORE = (Item.REACHABLE, Item.RIGHTS, *servers.ITEMS)
_BROKER = (Item.BROKER_SERVER, Item.BROKER_POLICY, Item.WORKER, Item.TASKS, Item.QUEUES)
_PROCESS_LOCAL = "Each web process looks after the sessions in its memory itself."


def examine(*, production: bool) -> list[Finding]:
    """Return what is found. A part that is away leaves the rest to be looked at.

    Args:
        production: Judge as for production: the memory backend is a problem then, and Django's own checks of security
            count.
    """
    found = settings.examine(production=production)
    tables = database.examine()
    backend: StateBackend | None = None
    try:
        backend = get_backend()
    except (DjustError, ImproperlyConfigured):
        found += skipped((Item.BACKEND, *_STORE), "The settings name no store that can be used.")
    if backend is not None:
        found.append(store.describe(backend, production=production))
        if backend.process_local:
            unneeded = (*_STORE, Item.BROKER, *_BROKER, *schedule.ITEMS)
            return [*found, *skipped(unneeded, _PROCESS_LOCAL), tables]
    rows = schedule.enabled_rows() if tables.status is Status.OK and apps.is_installed(BEAT_APP) else None
    with ExitStack() as stack:
        probes: Sequence[Probe] = ()
        if backend is not None:
            about_store, probes = _look_at_store(backend)
            found += about_store
            for probe in probes:
                stack.callback(probe.close)
        about_celery, answers = _look_at_celery(probes, rows, ran=tables.status is Status.OK)
    return [*found, *about_celery, tables, *_look_at_schedule(rows, answers, tables)]


def _look_at_store(backend: StateBackend) -> tuple[list[Finding], Sequence[Probe]]:
    answer = store.reach(backend)
    if answer.status is not Status.OK:
        return [answer, *skipped(_STORE[1:], "The store does not answer.")], ()
    found = [answer, store.rights(backend)]
    if not isinstance(backend, RedisStateBackend):
        return [*found, *skipped(servers.ITEMS, "This backend keeps its sessions outside of Redis.")], ()
    config = get_config()
    try:
        probes = open_probes(parse_address(config.redis_url), timeout=config.redis_timeout)
    except DjustError as error:
        return [*found, *(unavailable(item, str(error)) for item in servers.ITEMS)], ()
    return [*found, *servers.examine(probes, config)], probes


def _look_at_celery(
    store_probes: Sequence[Probe], rows: Sequence[schedule.Row] | None, *, ran: bool
) -> tuple[list[Finding], Answers]:
    found: list[Finding] = []
    answers = Answers()
    try:
        with broker.connected() as connection:
            found += broker.examine(connection, store_probes)
            answers = workers.ask(connection)
            found += workers.examine(
                connection,
                answers,
                tasks=schedule.task_names(),
                queues=schedule.queues_in_use(rows or ()),
                last_run=schedule.last_run_ago() if ran else None,
                late=ran and heartbeat().silent,
            )
    except BrokerUnavailable as error:
        found.append(
            problem(
                Item.BROKER,
                str(error),
                "Check that it runs, CELERY_BROKER_URL, and firewalls. Until then nobody cleans up: Redis frees "
                "expired sessions by itself, but they are not reported.",
            )
        )
        found += skipped(_BROKER, "The broker does not answer.")
    return found, answers


def _look_at_schedule(rows: Sequence[schedule.Row] | None, answers: Answers, tables: Finding) -> Sequence[Finding]:
    if rows is not None:
        return list(schedule.examine(rows, beats=answers.beats))
    if tables.status is not Status.OK:
        return skipped(schedule.ITEMS, "The database cannot be asked.")
    return skipped(schedule.ITEMS, "django_celery_beat is not installed.")
