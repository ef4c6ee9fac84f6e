"""Asynchronous twins for a backend whose methods never wait for anything but a lock that is held briefly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from djust.state_backend.announce import aannounce
from djust.state_backend.base import StateBackend
from djust.state_backend.memory.sweep import CLAIM_SIZE
from djust.state_backend.memory.table import SLICE
from djust.state_backend.records import Session, SessionInfo, SessionPage


class DirectTwins(StateBackend):
    """Calls the synchronous methods. What looks at every session lets the event loop run meanwhile."""

    async def aget(self, key: str) -> Session | None:
        """See ``get``."""
        return self.get(key)

    async def aset(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None = None,
        *,
        owner: str | int | None = None,
        label: str | None = None,
        expected_version: int | None = None,
    ) -> Session:
        """See ``set``."""
        return self.set(key, state, ttl, owner=owner, label=label, expected_version=expected_version)

    async def atouch(self, key: str, ttl: float | None = None) -> bool:
        """See ``touch``."""
        return self.touch(key, ttl)

    async def adelete(self, key: str) -> bool:
        """See ``delete``."""
        return self.delete(key)

    async def adelete_owner(self, owner: str | int) -> int:
        """See ``delete_owner``."""
        return self.delete_owner(owner)

    async def adelete_all(self) -> int:
        """See ``delete_all``."""
        return self.delete_all()

    async def aiter_sessions(
        self, *, owner: str | int | None = None, label: str | None = None, page_size: int = 500
    ) -> AsyncIterator[SessionInfo]:
        """See ``iter_sessions``."""
        for position, info in enumerate(self.iter_sessions(owner=owner, label=label, page_size=page_size), 1):
            yield info
            if position % page_size == 0:
                await asyncio.sleep(0)

    async def apage_sessions(
        self, cursor: str | None = None, *, owner: str | int | None = None, label: str | None = None, size: int = 100
    ) -> SessionPage:
        """See ``page_sessions``."""
        return await asyncio.to_thread(self.page_sessions, cursor, owner=owner, label=label, size=size)

    async def aget_stats(self) -> dict[str, Any]:
        """See ``get_stats``."""
        return await asyncio.to_thread(self.get_stats)

    async def aget_memory_stats(self) -> dict[str, Any]:
        """See ``get_memory_stats``."""
        return await asyncio.to_thread(self.get_memory_stats)

    async def ahealth_check(self) -> dict[str, Any]:
        """See ``health_check``."""
        return self.health_check()

    async def aacquire_lease(self, name: str, token: str, seconds: float) -> bool:
        """See ``acquire_lease``."""
        return self.acquire_lease(name, token, seconds)

    async def arelease_lease(self, name: str, token: str) -> None:
        """See ``release_lease``."""
        self.release_lease(name, token)

    async def acleanup_expired(self, ttl: float | None = None) -> int:
        """See ``cleanup_expired``."""
        sweep = self.open_sweep(ttl=ttl)
        removed = 0
        done = False
        while not done:
            done = sweep.reap(SLICE).done
            while gone := sweep.claim(CLAIM_SIZE):
                removed += len(gone)
                await aannounce(type(self), gone)
            await asyncio.sleep(0)
        return removed
