"""Where the sessions are kept, for how long, and how safe the way there is."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from djust.checks.config import usable_config
from djust.conf import Config
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.address import is_loopback, parse_address

SHORTEST_SECONDS = 60
LONGEST_SECONDS = 30 * 86_400


@register("djust", deploy=True)
def check_backend(**_: Any) -> list[CheckMessage]:
    """Warn of sessions in the memory of one process where there is more than one."""
    usable = usable_config()
    if usable is None or not usable[1].process_local:
        return []
    found: list[CheckMessage] = [
        CheckWarning(
            "The sessions live in the memory of one web process: a restart ends them, another process does not see "
            "them, and a Celery worker cannot clean them up.",
            hint="Set DJUST_CONFIG['STATE_BACKEND'] to 'redis' and REDIS_URL to your server.",
            id="djust.W001",
        )
    ]
    # uvicorn, gunicorn and hypercorn start as many processes as this variable says.
    processes = os.environ.get("WEB_CONCURRENCY", "")
    if processes.isdigit() and int(processes) > 1:
        found.append(
            CheckWarning(
                f"WEB_CONCURRENCY asks for {processes} web processes, and each has sessions of its own: a visitor "
                "finds theirs only by luck.",
                hint="Set DJUST_CONFIG['STATE_BACKEND'] to 'redis', or run one web process.",
                id="djust.W002",
            )
        )
    return found


@register("djust", deploy=True)
def check_lifetime(**_: Any) -> list[CheckMessage]:
    """Warn of a time to live that nobody can mean, and of one that outlasts the cookie."""
    usable = usable_config()
    if usable is None:
        return []
    config = usable[0]
    found: list[CheckMessage] = []
    odd = _odd_lifetime(config)
    if odd is not None:
        hint = "See docs/settings.md. 15 minutes to 8 hours suit most sites."
        found.append(CheckWarning(odd, hint=hint, id="djust.W003"))
    lives = _lives_seconds(config)
    if lives is not None and apps.is_installed("django.contrib.sessions") and lives > settings.SESSION_COOKIE_AGE:
        found.append(
            CheckWarning(
                f"Sessions live for {lives:g} s, longer than the cookie that leads to them (SESSION_COOKIE_AGE = "
                f"{settings.SESSION_COOKIE_AGE} s). What nobody can reach any more takes up memory.",
                hint="Lower DJUST_CONFIG['SESSION_TTL'], or raise SESSION_COOKIE_AGE.",
                id="djust.W004",
            )
        )
    return found


def _odd_lifetime(config: Config) -> str | None:
    ttl, most = config.session_ttl, config.session_max_age
    if ttl <= 0 and most is None:
        return "SESSION_TTL says never and SESSION_MAX_AGE is off: sessions that nobody uses fill the memory for ever."
    if ttl <= 0:
        return None
    if ttl < SHORTEST_SECONDS:
        return f"SESSION_TTL is {ttl:g} s: whoever pauses for a minute loses what they were doing."
    if ttl > LONGEST_SECONDS:
        return f"SESSION_TTL is {ttl:g} s, more than 30 days: sessions that nobody uses fill the memory."
    if most is not None and most < ttl:
        return f"SESSION_MAX_AGE ({most:g} s) ends every session before SESSION_TTL ({ttl:g} s) can."
    return None


def _lives_seconds(config: Config) -> float | None:
    """Return how long an unused session lives at most; ``None``: for ever, which is another warning."""
    limits = [
        seconds for seconds in (config.session_ttl, config.session_max_age) if seconds is not None and seconds > 0
    ]
    return min(limits, default=None)


@register("djust", deploy=True)
def check_redis_url(**_: Any) -> list[CheckMessage]:
    """Warn of a server elsewhere that asks for no password, and of an open line over the internet."""
    usable = usable_config()
    if usable is None or not issubclass(usable[1], RedisStateBackend):
        return []
    address = parse_address(usable[0].redis_url)
    if address.host is None or is_loopback(address.host):
        return []
    parts = urlsplit(address.url)
    found: list[CheckMessage] = []
    if not parts.password and "ssl_certfile" not in parse_qs(parts.query):
        found.append(
            CheckWarning(
                f"REDIS_URL has no password, and {address.host} is not this machine: whoever reaches that server "
                "reads and ends sessions.",
                hint="Set requirepass or an ACL user on the server, and write it into REDIS_URL from an environment "
                "variable: redis://user:password@host:6379/0.",
                id="djust.W005",
            )
        )
    if parts.scheme == "redis" and _is_public(address.host):
        found.append(
            CheckWarning(
                f"REDIS_URL sends the password and the sessions to the public address {address.host} unencrypted.",
                hint="Use rediss:// (TLS), or an address in a private network.",
                id="djust.W006",
            )
        )
    return found


def _is_public(host: str) -> bool:
    """Whether the host is a number that the internet routes; of a name nobody knows without asking."""
    try:
        return ip_address(host).is_global
    except ValueError:
        return False
