"""Settings from environment variables. A value that cannot be used is an error that names its variable."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def text(name: str, default: str) -> str:
    """Return the variable, or ``default`` when it is unset or empty."""
    return os.environ.get(name) or default


def boolean(name: str, *, default: bool) -> bool:
    """Return the variable as yes or no."""
    value = text(name, "yes" if default else "no").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be one of 1, 0, true, false, yes, no, on, off.")


def seconds(name: str, default: float | None) -> float | None:
    """Return the variable as a number of seconds; whole numbers stay whole."""
    value = text(name, "")
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number of seconds.") from None
    return int(number) if number.is_integer() else number


def port(name: str, default: int) -> int:
    """Return the variable as the number of a port."""
    value = text(name, str(default))
    if not value.isdecimal() or not 0 < int(value) < 65_536:
        raise ImproperlyConfigured(f"{name} must be a number from 1 to 65535.")
    return int(value)


def listing(name: str, default: str = "") -> list[str]:
    """Return the variable as a list of what stands between its commas."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def mapping(name: str) -> dict[str, Any]:
    """Return the variable, a JSON object, as a dict; an empty one when it is unset."""
    try:
        value = json.loads(text(name, "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{name} must be a JSON object.")
    return value


def database(name: str, default: Path) -> dict[str, Any]:
    """Return Django's settings for a database URL.

    ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``postgres://user:password@host:port/name``.
    """
    parts = urlsplit(text(name, f"sqlite:///{default}"))
    if parts.scheme == "sqlite":
        return _sqlite(unquote(parts.path.removeprefix("/")))
    if parts.scheme in ("postgres", "postgresql"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_HEALTH_CHECKS": True,
        }
    raise ImproperlyConfigured(f"{name} must start with sqlite:// or postgres://.")


def _sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            # Readers and one writer work side by side, so web, worker and beat can share the file.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            # Take the write lock at the start of a transaction, where waiting for it works ...
            "transaction_mode": "IMMEDIATE",
            # ... and wait this many seconds for it.
            "timeout": 20,
        },
    }
