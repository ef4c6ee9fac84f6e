"""Free ports on the loopback interface."""

from __future__ import annotations

import socket
from contextlib import ExitStack

HOST = "127.0.0.1"

_given: set[int] = set()


def free_ports(count: int = 1, *, companion_offset: int = 0) -> list[int]:
    """Return ``count`` ports that nobody listens on and that were not handed out before.

    Args:
        count: How many.
        companion_offset: Also make sure that the port this much higher is free (a cluster's bus uses it).
    """
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            port = _bind(stack, 0)
            if port is None or port in _given or (companion_offset and port + companion_offset > 65_535):
                continue
            if companion_offset and _bind(stack, port + companion_offset) is None:
                continue
            found.append(port)
    _given.update(found)
    return found


def free_port() -> int:
    """Return one free port."""
    return free_ports()[0]


def _bind(stack: ExitStack, port: int) -> int | None:
    """Bind ``port`` (0: any) for as long as ``stack`` is open; return the port, or None when it is taken."""
    bound = stack.enter_context(socket.socket())
    try:
        bound.bind((HOST, port))
    except OSError:
        return None
    return int(bound.getsockname()[1])
