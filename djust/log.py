"""The log of djust: structlog events through the standard logger ``djust.state_backend``.

The host project decides where they go, with ``LOGGING`` as for any other logger, whether or not it uses structlog.
``structlog.configure`` is never called. ``logging_config`` builds a ``LOGGING`` that prints JSON or coloured lines.
"""

from __future__ import annotations

import hashlib
import json as json_module
import logging
import logging.config
import re
import sys
from collections.abc import Iterable
from typing import Any

import structlog
from django.conf import settings
from structlog.typing import EventDict, Processor

NAME = "djust.state_backend"
MASK = "***"

# Hashes


_keyed: tuple[str, Any] | None = None


def hashed(value: str) -> str:
    """Return 16 hex digits that stand for ``value`` in a log, the same for as long as ``SECRET_KEY`` stays."""
    global _keyed
    secret = settings.SECRET_KEY
    keyed = _keyed
    if keyed is None or keyed[0] != secret:
        key = hashlib.blake2b(str(secret).encode(), person=b"djust.log").digest()
        _keyed = keyed = (secret, hashlib.blake2b(digest_size=8, key=key))
    digest = keyed[1].copy()
    digest.update(value.encode(errors="surrogatepass"))
    result: str = digest.hexdigest()
    return result


# Processors of the package's own events

#: Fields whose value never reaches the log, by name or by the end of the name.
_SECRET = re.compile(
    r"(?:^|_)(?:key|keys|state|states|payload|body|url|urls|dsn|uri|password|passwd|secret|token|cookie|credentials"
    r"|authorization|sessionid)$",
    re.IGNORECASE,
)
_HASH = re.compile(r"[0-9a-f]{12,64}", re.ASCII)
_CREDENTIALS = re.compile(r"(?<=://)\S*@")


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask what must not be logged: the last line behind callers that already hash what they log.

    A field named like a secret loses its value unless that is a number, a session or owner that is no hash becomes
    one, and a URL in a text loses its user and password.
    """
    for name, value in event.items():
        if value is None or (isinstance(value, (bool, int, float)) and name != "owner"):
            continue
        if _SECRET.search(name):
            event[name] = MASK
        elif name in ("session", "owner"):
            text = value if isinstance(value, str) else str(value)
            if not _HASH.fullmatch(text):
                event[name] = hashed(text)
        elif isinstance(value, str) and "://" in value:
            event[name] = _CREDENTIALS.sub(f"{MASK}@", value)
    return event


class _Message(dict[str, Any]):
    """The message of a log record: fields for those who can read them, ``event name=value ...`` for the rest."""

    __slots__ = ()

    def __str__(self) -> str:
        fields = (f"{name}={_text(value)}" for name, value in self.items() if name not in _OF_THE_RECORD)
        return " ".join((str(self.get("event")), *fields))


#: What a record carries itself, so that its text need not.
_OF_THE_RECORD = frozenset({"event", "level", "logger", "timestamp", "exc_info", "stack_info"})
_PLAIN = re.compile(r"[\w.:/+@*-]+", re.ASCII)


def _text(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json_module.dumps(text)


def _to_record(logger: Any, method: str, event: EventDict) -> tuple[tuple[_Message], dict[str, Any]]:
    # The two attributes tell structlog's ProcessorFormatter that the message holds the fields. Passing the fields
    # themselves as ``extra`` would raise KeyError for a name that LogRecord uses.
    arguments: dict[str, Any] = {"extra": {"_logger": logger, "_name": method}}
    if event.get("exc_info"):
        arguments["exc_info"] = event["exc_info"]
    return (_Message(event),), arguments


_timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
_COMMON: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    _timestamp,
)


class EventLogger(structlog.BoundLoggerBase):
    """Logs events with fields. Positional: the event's name; keywords: its fields."""

    _logger: logging.Logger

    def debug(self, event: str, /, **fields: Any) -> None:
        """Log ``event`` at the level DEBUG."""
        self._emit(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """Log ``event`` at the level INFO."""
        self._emit(logging.INFO, "info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Log ``event`` at the level WARNING."""
        self._emit(logging.WARNING, "warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """Log ``event`` at the level ERROR."""
        self._emit(logging.ERROR, "error", event, fields)

    def isEnabledFor(self, level: str) -> bool:  # noqa: N802 - the name that the standard library gave it
        """Return whether an event of ``level`` ("debug", "info", "warning" or "error") would be logged."""
        return self._logger.isEnabledFor(_LEVELS[level])

    def _emit(self, level: int, method: str, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            arguments, keywords = self._process_event(method, event, fields)
            self._logger.log(level, *arguments, stacklevel=3, **keywords)


_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: The one logger of the package.
logger = EventLogger(logging.getLogger(NAME), processors=[*_COMMON, redact, _to_record], context={})


# Set-up, for the host project


def logging_config(*, json: bool | None = None, level: str = "INFO") -> dict[str, Any]:
    """Return a value for Django's ``LOGGING`` that sends every record of the process to standard error.

    Records of djust, Django, Celery and uvicorn, and those of any other logger, come out alike.

    Args:
        json: Print one JSON object a line; False: coloured text; ``None``: JSON unless standard error is a terminal.
        level: The least level that is printed.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"djust": {"()": f"{__name__}.build_formatter", "json": json}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "djust"}},
        "root": {"handlers": ["stderr"], "level": level},
        # Those that bring handlers of their own would print twice or in another shape.
        "loggers": {name: {"handlers": [], "propagate": True} for name in _LOGGERS_WITH_HANDLERS},
    }


def configure_logging(*, json: bool | None = None, level: str = "INFO") -> None:
    """Apply ``logging_config``, for a process in which Django does not: ``LOGGING_CONFIG = None`` or no Django."""
    logging.config.dictConfig(logging_config(json=json, level=level))


def build_formatter(*, json: bool | None = None) -> logging.Formatter:
    """Return a formatter for the records of every logger; ``json`` as for ``logging_config``."""
    as_json = not sys.stderr.isatty() if json is None else json
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_COMMON, structlog.stdlib.ExtraAdder(), _drop_objects],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *(_JSON if as_json else _CONSOLE)],
    )


def _drop_objects(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Drop what others attach to records and nobody can read or should: requests, arguments, results.

    uvicorn attaches its own text once more, for a terminal.
    """
    for name in ("request", "color_message"):
        event.pop(name, None)
    data = event.get("data")
    if isinstance(data, dict):
        # Celery puts the result into the text, where ours would say once more what their own event said.
        event["event"] = str(event.get("event")).removesuffix(f": {data.get('return_value')}")
        event["data"] = {name: value for name, value in data.items() if name in _CELERY_FIELDS}
    return event


_CELERY_FIELDS = ("id", "name", "runtime", "exc", "eta", "expires")
_LOGGERS_WITH_HANDLERS: Iterable[str] = ("django", "django.server", "uvicorn", "uvicorn.error", "uvicorn.access")
_JSON: tuple[Processor, ...] = (
    # The variables of a frame may hold anything, secrets included.
    structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    structlog.processors.JSONRenderer(),
)
_CONSOLE: tuple[Processor, ...] = (structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),)
