"""What the contract's tests have in common: fixtures, waiting, and one way to call both sides of a backend."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

import pytest

from djust.signals import session_evicted, session_expired
from djust.state_backend.base import StateBackend
from djust.state_backend.records import Session, SessionInfo, SessionPage

T = TypeVar("T")

#: Seconds. Nothing takes this long; it only bounds how long a failing test waits.
PATIENCE = 20.0

#: The time to live, in seconds, of sessions that are meant to expire during a test.
SOON = 0.06


def eventually(
    predicate: Callable[[], T | Literal[False] | None], timeout: float = PATIENCE, interval: float = 0.005
) -> T:
    """Call ``predicate`` until it returns something true, and return that.

    Args:
        predicate: What is waited for.
        timeout: Seconds after which the test fails.
        interval: Seconds between two calls.
    """
    give_up_at = time.monotonic() + timeout
    while not (value := predicate()):
        assert time.monotonic() < give_up_at, f"Nothing happened within {timeout} seconds."
        time.sleep(interval)
    return value


class MakeBackend(Protocol):
    """What the fixture ``make_backend`` returns."""

    def __call__(self, *, default_ttl: float = 3600, max_age: float | None = None) -> StateBackend:
        """Return a new backend, which shares its sessions with no other."""


@dataclass(frozen=True, slots=True)
class Report:
    """One signal, as a receiver got it."""

    signal: str
    sender: type
    key: str
    owner: str | None
    label: str | None
    created_at: datetime
    last_active_at: datetime | None
    cause: str


class Reports:
    """Every signal about a session that is sent while a test runs."""

    def __init__(self) -> None:
        self._received: list[Report] = []

    def __len__(self) -> int:
        return len(self._received)

    def of(self, key: str) -> list[Report]:
        """Return those about ``key``."""
        return [report for report in self._received if report.key == key]

    def since(self, number: int) -> list[Report]:
        """Return those after the first ``number``."""
        return self._received[number:]

    def expired(self, sender: type, signal: object = None, **facts: Any) -> None:
        """Receive ``session_expired``."""
        self._received.append(Report(signal="session_expired", sender=sender, **facts))

    def evicted(self, sender: type, signal: object = None, **facts: Any) -> None:
        """Receive ``session_evicted``."""
        self._received.append(Report(signal="session_evicted", sender=sender, **facts))


class Store:
    """A backend, called the synchronous way or, with a ``loop``, the asynchronous way."""

    def __init__(self, backend: StateBackend, loop: asyncio.AbstractEventLoop | None) -> None:
        self.backend = backend
        self._loop = loop

    def get(self, key: Any) -> Session | None:
        """See ``StateBackend``."""
        return self.backend.get(key) if self._loop is None else self._run(self.backend.aget(key))

    def live(self, key: str) -> Session:
        """Return the session ``key``, which must live."""
        session = self.get(key)
        assert session is not None
        return session

    def set(self, key: Any, state: Any, ttl: Any = None, **options: Any) -> Session:
        """See ``StateBackend``."""
        if self._loop is None:
            return self.backend.set(key, state, ttl, **options)
        return self._run(self.backend.aset(key, state, ttl, **options))

    def touch(self, key: Any, ttl: Any = None) -> bool:
        """See ``StateBackend``."""
        return self.backend.touch(key, ttl) if self._loop is None else self._run(self.backend.atouch(key, ttl))

    def touch_if_due(self, session: Session, now: datetime | None = None) -> bool:
        """See ``StateBackend``."""
        if self._loop is None:
            return self.backend.touch_if_due(session, now)
        return self._run(self.backend.atouch_if_due(session, now))

    def delete(self, key: Any) -> bool:
        """See ``StateBackend``."""
        return self.backend.delete(key) if self._loop is None else self._run(self.backend.adelete(key))

    def delete_owner(self, owner: Any) -> int:
        """See ``StateBackend``."""
        if self._loop is None:
            return self.backend.delete_owner(owner)
        return self._run(self.backend.adelete_owner(owner))

    def delete_all(self) -> int:
        """See ``StateBackend``."""
        return self.backend.delete_all() if self._loop is None else self._run(self.backend.adelete_all())

    def sessions(self, **options: Any) -> list[SessionInfo]:
        """Return what ``iter_sessions`` yields."""
        if self._loop is None:
            return list(self.backend.iter_sessions(**options))

        async def collect() -> list[SessionInfo]:
            return [info async for info in self.backend.aiter_sessions(**options)]

        return self._run(collect())

    def page(self, cursor: str | None = None, **options: Any) -> SessionPage:
        """See ``StateBackend.page_sessions``."""
        if self._loop is None:
            return self.backend.page_sessions(cursor, **options)
        return self._run(self.backend.apage_sessions(cursor, **options))

    def pages(self, **options: Any) -> list[SessionPage]:
        """Return every page of a list."""
        pages = [self.page(**options)]
        while pages[-1].cursor is not None:
            pages.append(self.page(pages[-1].cursor, **options))
        return pages

    def sizes(self, keys: list[str]) -> list[int | None]:
        """See ``StateBackend.session_sizes``."""
        if self._loop is None:
            return self.backend.session_sizes(keys)
        return self._run(self.backend.asession_sizes(keys))

    def get_stats(self) -> dict[str, Any]:
        """See ``StateBackend``."""
        return self.backend.get_stats() if self._loop is None else self._run(self.backend.aget_stats())

    def get_memory_stats(self) -> dict[str, Any]:
        """See ``StateBackend``."""
        return self.backend.get_memory_stats() if self._loop is None else self._run(self.backend.aget_memory_stats())

    def health_check(self) -> dict[str, Any]:
        """See ``StateBackend``."""
        return self.backend.health_check() if self._loop is None else self._run(self.backend.ahealth_check())

    def cleanup_expired(self, ttl: Any = None) -> int:
        """See ``StateBackend``."""
        if self._loop is None:
            return self.backend.cleanup_expired(ttl)
        return self._run(self.backend.acleanup_expired(ttl))

    def publish(self, topic: Any, message: Any) -> None:
        """See ``StateBackend``."""
        if self._loop is None:
            self.backend.publish(topic, message)
        else:
            self._run(self.backend.apublish(topic, message))

    def close(self) -> None:
        """Give back what this side of the backend holds."""
        if self._loop is None:
            self.backend.close()
        else:
            self._run(self.backend.aclose())

    def set_expired(self, key: str, state: dict[str, Any] | None = None, **options: Any) -> Session:
        """Save a session that expires at once and wait until it has."""
        session = self.set(key, state or {}, SOON, **options)
        eventually(lambda: self.get(key) is None)
        return session

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return self._loop.run_until_complete(call)


@contextmanager
def recorded_reports() -> Iterator[Reports]:
    """Record the signals for as long as the context lasts."""
    reports = Reports()
    session_expired.connect(reports.expired)
    session_evicted.connect(reports.evicted)
    try:
        yield reports
    finally:
        session_expired.disconnect(reports.expired)
        session_evicted.disconnect(reports.evicted)


class ContractSupport:
    """The fixtures. ``make_backend`` is the one that a subclass has to define."""

    @pytest.fixture
    def make_backend(self) -> Iterator[MakeBackend]:
        """Return a function that makes a new, empty backend, and close what it made at the end.

        The function takes ``default_ttl`` (seconds) and ``max_age`` (seconds or ``None``). A backend that sweeps
        itself must not do so during a test: give it a long pause.
        """
        raise NotImplementedError("Define the fixture make_backend.")

    @pytest.fixture
    def backend(self, make_backend: MakeBackend) -> StateBackend:
        """Return a new backend with the usual options."""
        return make_backend()

    @pytest.fixture(params=["sync", "async"])
    def make_store(self, request: pytest.FixtureRequest) -> Iterator[Callable[[StateBackend], Store]]:
        """Return a function that wraps a backend, so that each test runs on both sides of it."""
        loop = asyncio.new_event_loop() if request.param == "async" else None
        stores: list[Store] = []

        def make(backend: StateBackend) -> Store:
            stores.append(Store(backend, loop))
            return stores[-1]

        yield make
        for store in stores:
            store.close()
        if loop is not None:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    @pytest.fixture
    def store(self, make_store: Callable[[StateBackend], Store], backend: StateBackend) -> Store:
        """Return the usual backend, called one way and then the other."""
        return make_store(backend)

    @pytest.fixture
    def key(self) -> str:
        """Return a key that no other test uses."""
        return f"key-{uuid.uuid4().hex}"

    @pytest.fixture
    def reports(self) -> Iterator[Reports]:
        """Record the signals."""
        with recorded_reports() as reports:
            yield reports
