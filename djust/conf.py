"""The settings of djust: the only module that reads ``django.conf.settings``.

All settings live in one dict, ``DJUST_CONFIG``. It is read at access time, so ``override_settings`` works.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

SETTING = "DJUST_CONFIG"

#: The longest time to live: a century.
MAX_SECONDS = 100 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Config:
    """One checked reading of ``DJUST_CONFIG``. Each attribute is the setting of the same name in capitals."""

    #: ``"memory"``, ``"redis"`` or the dotted path of a ``StateBackend`` class.
    state_backend: str = "memory"
    #: ``redis://``, ``rediss://``, ``unix://`` or ``redis+cluster://``.
    redis_url: str = "redis://localhost:6379/0"
    #: Seconds without activity after which a session expires; zero or less means never.
    session_ttl: float = 3600
    #: Seconds after creation at which a session expires however active it is; ``None`` turns this off.
    session_max_age: float | None = None
    #: What every key in Redis starts with.
    key_prefix: str = "djust:"
    #: Seconds to wait for a connection to Redis, and for an answer.
    redis_timeout: float = 2.0
    #: Connections to Redis that one process (and, when asynchronous, one event loop) may hold.
    redis_max_connections: int = 50
    #: An encoded state larger than this many bytes is logged as ``session_large``.
    state_warn_bytes: int = 100_000
    #: An encoded state larger than this many bytes is refused.
    state_max_bytes: int = 1_000_000
    #: An encoded state of at least this many bytes is compressed.
    state_compress_bytes: int = 2_000
    #: How many sessions the memory backend holds before it refuses new ones.
    memory_max_sessions: int = 100_000
    #: Seconds between two sweeps of the memory backend in the process that owns it.
    memory_sweep_seconds: float = 10.0
    #: Seconds that one clean-up may work before it leaves the rest to the next.
    cleanup_budget_seconds: float = 20.0
    #: Index entries that one slice of a clean-up looks at, at most.
    cleanup_slice_size: int = 125
    #: Seconds for which a clean-up holds its lease. It is renewed while work goes on, and is the longest that a killed
    #: one keeps the next from working.
    cleanup_lease_seconds: float = 10.0
    #: Days for which the history of maintenance runs is kept.
    run_history_days: int = 30
    #: Days for which memory samples, alerts and losses are kept; samples get sparser with age.
    sample_history_days: int = 366
    #: Sessions that a memory sample measures on each server.
    sample_size: int = 400
    #: What the server may use, where it does not say so itself.
    memory_limit_bytes: int | None = None
    #: Seconds that one check may spend on looking for lost sessions.
    loss_walk_seconds: float = 5.0
    #: Changes to the alert rules, by name; see docs/alerts.md.
    alert_rules: dict[str, Any] = field(default_factory=dict)
    #: Seconds in which an alert that comes back is not announced again, unless it got worse.
    alert_cooldown_seconds: float = 900
    #: Whether alerts are mailed to Django's ADMINS.
    alert_email: bool = True
    #: Where people reach the site, for links in messages: ``"https://shop.example.com"``.
    site_url: str | None = None
    #: Apprise URLs of further services that alerts are sent to.
    alert_urls: tuple[str, ...] = ()
    #: Seconds for which the state of a page is kept that no socket has joined, or that was left on purpose.
    page_ttl: float = 60
    #: Seconds without traffic after which a page asks whether its socket still lives.
    heartbeat_seconds: float = 25
    #: Bytes that one frame of a browser may have.
    frame_max_bytes: int = 128_000
    #: Frames per second that one socket may send in the long run.
    frame_rate: float = 50
    #: Frames that one socket may send at once.
    frame_burst: int = 200
    #: Threads in which one process runs synchronous handlers and renders templates.
    live_threads: int = 8
    #: Seconds between SIGTERM and the closing of sockets, in which ``health/ready/`` answers 503.
    drain_seconds: float = 0
    #: What a scraper of the metrics must present as a bearer token; ``None``: nothing.
    metrics_token: str | None = None


_FIELDS = {field.name.upper(): field for field in fields(Config)}
_POSITIVE = {
    "REDIS_TIMEOUT",
    "REDIS_MAX_CONNECTIONS",
    "SESSION_MAX_AGE",
    "STATE_WARN_BYTES",
    "STATE_MAX_BYTES",
    "STATE_COMPRESS_BYTES",
    "MEMORY_MAX_SESSIONS",
    "MEMORY_SWEEP_SECONDS",
    "CLEANUP_BUDGET_SECONDS",
    "CLEANUP_SLICE_SIZE",
    "CLEANUP_LEASE_SECONDS",
    "RUN_HISTORY_DAYS",
    "SAMPLE_HISTORY_DAYS",
    "SAMPLE_SIZE",
    "MEMORY_LIMIT_BYTES",
    "LOSS_WALK_SECONDS",
    "PAGE_TTL",
    "HEARTBEAT_SECONDS",
    "FRAME_MAX_BYTES",
    "FRAME_RATE",
    "FRAME_BURST",
    "LIVE_THREADS",
}
_LIFETIMES = {"SESSION_TTL", "SESSION_MAX_AGE"}
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number of seconds"),
    "float | None": ((int, float, type(None)), "a number of seconds or None"),
    "int | None": ((int, type(None)), "a whole number or None"),
    "str | None": ((str, type(None)), "a string or None"),
    "bool": ((bool,), "True or False"),
    "tuple[str, ...]": ((list, tuple), "a list of strings"),
    "dict[str, Any]": ((dict,), "a dict"),
}

_last: tuple[dict[str, Any], Config] | None = None


def get_config() -> Config:
    """Return the current settings, checked.

    Raises:
        ImproperlyConfigured: ``DJUST_CONFIG`` is no dict, or has an unknown key or a value that cannot be used.
    """
    global _last
    raw = getattr(settings, SETTING, {})
    if not isinstance(raw, dict):
        raise ImproperlyConfigured(f"{SETTING} must be a dict, not {type(raw).__name__}.")
    values = {key: (type(value), value) for key, value in raw.items()}  # With types, since True equals 1.
    cached = _last
    if cached is not None and cached[0] == values:
        return cached[1]
    config = Config(**{key.lower(): _checked(key, value) for key, value in _known(raw).items()})
    _last = (values, config)
    return config


def _known(raw: dict[Any, Any]) -> dict[str, Any]:
    for key in raw:
        if key not in _FIELDS:
            near = difflib.get_close_matches(str(key).upper(), _FIELDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known keys: {', '.join(_FIELDS)}."
            raise ImproperlyConfigured(f"{SETTING} has an unknown key {key!r}.{hint}")
    return raw


def _checked(key: str, value: Any) -> Any:
    types, words = _TYPES[str(_FIELDS[key].type)]
    if type(value) not in types:
        raise ImproperlyConfigured(f"{SETTING}[{key!r}] must be {words}, not {type(value).__name__}.")
    if isinstance(value, (list, tuple)) and not all(isinstance(item, str) for item in value):
        raise ImproperlyConfigured(f"{SETTING}[{key!r}] must be {words}.")
    if isinstance(value, list):
        return tuple(value)
    if type(value) is float and not math.isfinite(value):
        raise ImproperlyConfigured(f"{SETTING}[{key!r}] must be {words}, not {value}.")
    _check_range(key, value)
    if key == "KEY_PREFIX" and ("{" in value or "}" in value):
        raise ImproperlyConfigured(
            f"{SETTING}['KEY_PREFIX'] must not contain braces: Redis Cluster takes them for a hash tag."
        )
    if key == "KEY_PREFIX" and not value:
        raise ImproperlyConfigured(f"{SETTING}['KEY_PREFIX'] must not be empty: 'djust:' is the usual value.")
    return value


def _check_range(key: str, value: Any) -> None:
    if key in _POSITIVE and value is not None and value <= 0:
        raise ImproperlyConfigured(f"{SETTING}[{key!r}] must be greater than zero.")
    if key in _LIFETIMES and value is not None and abs(value) > MAX_SECONDS:
        raise ImproperlyConfigured(f"{SETTING}[{key!r}] must be at most a century, which has {MAX_SECONDS} seconds.")
