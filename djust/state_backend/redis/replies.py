"""Reads replies that differ: redis-py's cluster client parses some commands itself, a plain connection does not."""

from __future__ import annotations

from typing import Any


def info_fields(reply: Any) -> dict[str, Any]:
    """Return the fields of an INFO reply."""
    if isinstance(reply, dict):
        return reply
    lines = (line.partition(":") for line in bytes(reply).decode(errors="replace").splitlines())
    return {name: value for name, separator, value in lines if separator}


def scan_page(reply: Any) -> tuple[bytes, list[bytes]]:
    """Return the next cursor and the names of a SCAN reply."""
    cursor, names = reply
    if isinstance(cursor, dict):
        [cursor] = cursor.values()
    return (b"%d" % cursor if isinstance(cursor, int) else cursor), names
