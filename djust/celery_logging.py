"""Makes Celery's worker and beat log as the project's ``LOGGING`` says, each record with its task.

Apart from ``djust.log``, so that a process without Celery does not load it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import Token
from typing import Any

from celery.signals import celeryd_init, setup_logging, task_postrun, task_prerun
from django.conf import settings
from django.utils.log import configure_logging as configure_django_logging
from structlog.contextvars import bind_contextvars, reset_contextvars

_bound: dict[str, Mapping[str, Token[Any]]] = {}


def configure_celery_logging() -> None:
    """Call this once where the Celery app is made. It connects to Celery's signals and does nothing else.

    Worker and beat then log by ``LOGGING`` of the settings; the level comes from there, not from ``--loglevel``.
    While a task runs, ``task_id`` and ``task`` are bound in structlog's context variables.
    """
    celeryd_init.connect(_capture_warnings, dispatch_uid="djust")
    setup_logging.connect(_set_up, dispatch_uid="djust")
    task_prerun.connect(_bind, dispatch_uid="djust")
    task_postrun.connect(_unbind, dispatch_uid="djust")


def _set_up(**_: Any) -> None:
    # That a receiver is connected keeps Celery from replacing the handlers of the root logger.
    configure_django_logging(settings.LOGGING_CONFIG, settings.LOGGING)


def _capture_warnings(**_: Any) -> None:
    # A worker that runs as root warns of it before it sets up its log, and a bare warning would be no JSON.
    logging.captureWarnings(capture=True)


def _bind(task_id: str, task: Any, **_: Any) -> None:
    _bound[task_id] = bind_contextvars(task_id=task_id, task=task.name)


def _unbind(task_id: str, **_: Any) -> None:
    tokens = _bound.pop(task_id, None)
    if tokens is not None:
        reset_contextvars(**tokens)
