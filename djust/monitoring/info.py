"""What the state server says about its memory. A figure that it does not give is null, with the reason beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from djust.exceptions import BackendDenied
from djust.log import logger
from djust.state_backend.base import StateBackend
from djust.state_backend.registry import get_backend

NOT_APPLICABLE = "This backend keeps its sessions outside of Redis."

#: Our name, the section and field of INFO, and how to read it.
_FIGURES: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
    ("used_bytes", "memory", "used_memory", int),
    ("limit_bytes", "memory", "maxmemory", int),
    ("policy", "memory", "maxmemory_policy", str),
    ("rss_bytes", "memory", "used_memory_rss", int),
    ("evicted_keys", "stats", "evicted_keys", int),
    ("expired_keys", "stats", "expired_keys", int),
    ("clients", "clients", "connected_clients", int),
    ("run_id", "server", "run_id", str),
)


@runtime_checkable
class _HasServerInfo(Protocol):
    def server_info(self, section: str) -> list[dict[str, Any]]: ...


def sample_memory(backend: StateBackend | None = None, *, trigger: str = "call") -> dict[str, Any]:
    """Ask each primary for its memory figures, log them, and return them as JSON-like values.

    Raises:
        BackendUnavailable: The store cannot be reached.
    """
    backend = backend or get_backend()
    if not isinstance(backend, _HasServerInfo):
        return {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    servers = _servers(backend)
    for server in servers:
        logger.info("redis_memory_sampled", backend=backend.name, trigger=trigger, **server)
    return {"outcome": "done", "backend": backend.name, "servers": servers}


def check_evictions(
    previous: Mapping[str, Any] | None, backend: StateBackend | None = None, *, trigger: str = "call"
) -> dict[str, Any]:
    """Count the keys that each primary evicted since the previous check, and warn if there were any.

    Args:
        previous: What this function returned last time, or ``None``.
        backend: Where; the configured one by default.
        trigger: Who asked, for the log.

    Raises:
        BackendUnavailable: The store cannot be reached.
    """
    backend = backend or get_backend()
    if not isinstance(backend, _HasServerInfo):
        return {"outcome": "not_applicable", "reason": NOT_APPLICABLE, "backend": backend.name}
    before = {server.get("node"): server for server in (previous or {}).get("servers", ())}
    servers = []
    for server in _servers(backend):
        since = _since(before.get(server["node"]), server)
        servers.append({**server, "evicted_since": since})
        if since:
            logger.warning("keys_evicted", backend=backend.name, trigger=trigger, node=server["node"], evicted=since)
    return {"outcome": "done", "backend": backend.name, "servers": servers}


def _since(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> int | None:
    """Return how far the counter moved; ``None`` if it cannot be told, as after a restart or a reset."""
    count = now["evicted_keys"]
    if before is None or count is None or before.get("evicted_keys") is None:
        return None
    if before.get("run_id") != now["run_id"] or count < before["evicted_keys"]:
        return None
    return int(count - before["evicted_keys"])


def _servers(backend: _HasServerInfo) -> list[dict[str, Any]]:
    sections: dict[str, dict[str, dict[str, Any]]] = {}
    refused = {}
    nodes: list[str] = []
    for section in dict.fromkeys(section for _, section, _, _ in _FIGURES):
        try:
            answers = backend.server_info(section)
        except BackendDenied as error:
            refused[section] = str(error)
            continue
        nodes = [answer["node"] for answer in answers]
        sections[section] = {answer["node"]: answer for answer in answers}
    return [_server(node, sections, refused) for node in nodes or ["unknown"]]


def _server(node: str, sections: Mapping[str, Mapping[str, Any]], refused: Mapping[str, str]) -> dict[str, Any]:
    server: dict[str, Any] = {"node": node}
    unavailable = {}
    for name, section, field, read in _FIGURES:
        value = sections.get(section, {}).get(node, {}).get(field)
        figure = None if value is None else read(value)
        if isinstance(figure, int) and figure < 0:
            figure = None  # Some servers say so of what they do not count.
        server[name] = figure
        if figure is None:
            unavailable[name] = refused.get(section, "The server does not give this figure.")
    used, limit = server["used_bytes"], server["limit_bytes"]
    server["usage"] = round(used / limit, 4) if used is not None and limit else None
    if limit == 0:
        unavailable["usage"] = "The server has no maxmemory."
    if unavailable:
        server["unavailable"] = unavailable
    return server
