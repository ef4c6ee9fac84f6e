"""One pass of clean-up over a table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from djust.state_backend.base import Sweep
from djust.state_backend.memory.table import SLICE, Table
from djust.state_backend.records import GoneSession, Reaped

#: Reports that are taken from the outbox at once.
CLAIM_SIZE = 25


class MemorySweep(Sweep):
    """Reaps what is due and, if asked, what has been idle for long.

    Args:
        table: What is swept.
        idle: Milliseconds; zero: nothing is removed at all; ``None``: only what is due is removed.
    """

    def __init__(self, table: Table, idle: int | None) -> None:
        self._table = table
        self._idle = idle
        self._keys: Iterator[str] = iter(table.keys() if idle else ())

    def reap(self, limit: int) -> Reaped:
        """See ``Sweep``."""
        if self._idle == 0:
            return Reaped(done=True)
        scanned = removed = renewed = 0
        done = False
        while not done and scanned < limit:
            part = self._reap_slice(min(SLICE, limit - scanned))
            scanned += part.scanned
            removed += part.removed
            renewed += part.renewed
            done = part.done
            time.sleep(0)  # Lets those who wait for the lock have it.
        return Reaped(scanned=scanned, removed=removed, renewed=renewed, done=done)

    def claim(self, limit: int) -> Sequence[GoneSession]:
        """See ``Sweep``."""
        return [] if self._idle == 0 else self._table.claim(limit)

    def abandoned(self) -> int:
        """Return 0: a process that is killed takes its sessions along."""
        return 0

    def close(self) -> None:
        """Do nothing: what was claimed is not kept."""

    def _reap_slice(self, limit: int) -> Reaped:
        due = self._table.reap(limit)
        if self._idle is None:
            return due
        if due.scanned or not due.done:
            return replace(due, done=False)
        keys = list(islice(self._keys, limit))
        return self._table.reap_idle(keys, self._idle) if keys else due
