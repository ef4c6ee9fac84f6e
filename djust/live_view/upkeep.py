"""What the code of a project calls to look after its LiveView sessions."""

from __future__ import annotations

from typing import Any

from djust.sessions import clean_up, warn_if_shorter
from djust.state_backend.registry import get_backend


def cleanup_expired_sessions(ttl: float | None = None) -> int:
    """Remove and report the sessions whose time ran out, within ``CLEANUP_BUDGET_SECONDS``.

    Args:
        ttl: Also those idle for longer than this many seconds. It is best left out: each session knows its own time
            to live, and a shorter one here ends sessions that are still wanted.

    Returns:
        How many were removed. 0 also if another clean-up is at work, or if the sessions live in another process; the
        log says which.
    """
    warn_if_shorter(ttl)
    return clean_up(ttl=ttl).removed


def get_session_stats() -> dict[str, Any]:
    """Return the figures of ``get_backend().get_stats()``."""
    return get_backend().get_stats()
