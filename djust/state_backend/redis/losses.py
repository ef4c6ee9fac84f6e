"""Looks for sessions that were lost before their time, and tells why. No I/O."""

from __future__ import annotations

from typing import Any

from djust.exceptions import BackendDenied
from djust.state_backend.redis.calls import Operation, command
from djust.state_backend.redis.replies import info_fields

#: Usage of the memory from which a server that may evict has most likely done so, though its counter says 0: it was
#: reset, as by CONFIG RESETSTAT.
PRESSED = 0.9


def cause_of_losses(node: str) -> Operation[str]:
    """Return why sessions of a server are lost: ``"evicted"``, or ``"unknown"``, as if somebody had deleted them."""
    try:
        replies = yield [command("INFO", section, node=node) for section in ("memory", "stats")]
    except BackendDenied:
        return "unknown"
    memory, stats = (info_fields(reply) for reply in replies)
    return "evicted" if _number(stats, "evicted_keys") or _is_pressed(memory) else "unknown"


def _is_pressed(memory: dict[str, Any]) -> bool:
    limit = _number(memory, "maxmemory")
    may_evict = str(memory.get("maxmemory_policy", "noeviction")) != "noeviction"
    return may_evict and limit > 0 and _number(memory, "used_memory") >= limit * PRESSED


def _number(fields: dict[str, Any], name: str) -> int:
    return int(fields.get(name) or 0)
