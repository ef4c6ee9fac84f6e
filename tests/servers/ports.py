"""Free ports on the loopback interface, each for one process only.

They lie below those that the system gives to outgoing connections, so that a server which starts again finds its port
as it left it. A lock on each, which ends with its process, keeps processes apart that run tests side by side.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"

#: With the companions of a cluster's nodes, 10 000 higher, they end where outgoing connections begin.
_FIRST, _COUNT = 10_000, 12_000

_given: set[int] = set()


def free_ports(count: int = 1, *, companion_offset: int = 0) -> list[int]:
    """Return ``count`` ports that nobody listens on and that nobody else is given while this process lives.

    Args:
        count: How many.
        companion_offset: Also take the port this much higher (a cluster's bus uses it).
    """
    found: list[int] = []
    while len(found) < count:
        port = _FIRST + secrets.randbelow(_COUNT)
        if all(_take(wanted) for wanted in sorted({port, port + companion_offset})):
            found.append(port)
    return found


def free_port() -> int:
    """Return one free port."""
    return free_ports()[0]


def _take(port: int) -> bool:
    """Take ``port`` for this process, unless it was given before, is another's, or is in use."""
    if port in _given:
        return False
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        with socket.socket() as bound:
            bound.bind((HOST, port))
    except OSError:
        return False
    _given.add(port)
    return True


@cache
def _locks() -> int:
    """Open the file in which each byte stands for the port of its number. Nothing is ever written into it."""
    path = Path(tempfile.gettempdir()) / f"djust-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
