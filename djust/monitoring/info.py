"""Reads what a server says about itself. A figure that it does not give is ``None``, with the reason beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from djust.models import MemorySample
from djust.state_backend.monitor import ServerInfo

NOT_GIVEN = "The server does not give this figure."
REPLICA = "This server is a replica, which evicts nothing by itself."
NO_LIMIT = "The server has no maxmemory, and does not say how much memory its machine has."
SMALL = "The server uses too little memory for this figure to mean anything."

#: Used memory below which fragmentation says nothing: an empty server's is above 7.
FRAGMENTATION_FROM_BYTES = 5 * 1024 * 1024

#: Our name, the field of INFO, and how to read it.
_FIGURES: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("used_bytes", "used_memory", int),
    ("rss_bytes", "used_memory_rss", int),
    ("policy", "maxmemory_policy", str),
    ("clients", "connected_clients", int),
)

#: Counters of the server that samples are compared by: our name, and the field of INFO.
COUNTERS = {
    "evicted": "evicted_keys",
    "expired": "expired_keys",
    "hits": "keyspace_hits",
    "misses": "keyspace_misses",
}


@dataclass(slots=True)
class Figures:
    """What one server said."""

    node: str
    run_id: str = ""
    #: By the names of ``MemorySample``.
    values: dict[str, Any] = field(default_factory=dict)
    #: By our names.
    counters: dict[str, int] = field(default_factory=dict)
    #: Name of a figure: why it is ``None``.
    unavailable: dict[str, str] = field(default_factory=dict)


def read_info(info: ServerInfo, *, memory_limit_bytes: int | None = None) -> Figures:
    """Read the figures of one server.

    Args:
        info: What it answered.
        memory_limit_bytes: What it may use, for a server that does not say so itself.
    """
    figures = Figures(info.node, str(info.fields.get("run_id", "")))
    reason = info.refused or NOT_GIVEN
    for name, source, read in _FIGURES:
        figures.values[name] = _read(info.fields, source, read)
        if figures.values[name] is None:
            figures.unavailable[name] = reason
    for name, source in COUNTERS.items():
        count = _read(info.fields, source, int)
        if count is None:
            figures.unavailable[name] = reason
        else:
            figures.counters[name] = count
    _add_limit(figures, info, memory_limit_bytes)
    _add_fragmentation(figures)
    return figures


def _read(fields: Mapping[str, Any], name: str, read: Callable[[Any], Any]) -> Any:
    value = fields.get(name)
    if value is None:
        return None
    try:
        figure = read(value)
    except ValueError:
        return None
    # Some servers say -1 of what they do not count.
    return None if isinstance(figure, int) and figure < 0 else figure


def _add_limit(figures: Figures, info: ServerInfo, memory_limit_bytes: int | None) -> None:
    source = MemorySample.LimitSource
    limit = _read(info.fields, "maxmemory", int)
    system = _read(info.fields, "total_system_memory", int)
    figures.values["limit_bytes"] = None
    if info.fields.get("role") == "slave":
        figures.values["policy"] = None
        figures.unavailable["limit_bytes"] = figures.unavailable["policy"] = REPLICA
    elif limit:
        figures.values.update(limit_bytes=limit, limit_source=source.MAXMEMORY)
    elif memory_limit_bytes is not None:
        figures.values.update(limit_bytes=memory_limit_bytes, limit_source=source.SETTING)
    elif system:
        figures.values.update(limit_bytes=system, limit_source=source.SYSTEM)
    else:
        figures.unavailable["limit_bytes"] = info.refused or NO_LIMIT


def _add_fragmentation(figures: Figures) -> None:
    used, resident = figures.values["used_bytes"], figures.values["rss_bytes"]
    figures.values["fragmentation"] = None
    if used is None or resident is None:
        figures.unavailable["fragmentation"] = (
            figures.unavailable.get("used_bytes") or figures.unavailable["rss_bytes"]
        )
    elif used < FRAGMENTATION_FROM_BYTES:
        figures.unavailable["fragmentation"] = SMALL
    else:
        figures.values["fragmentation"] = round(resident / used, 3)
