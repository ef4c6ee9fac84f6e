"""Memory, Redis and a plain dict go through the same random operations, and time, and never differ."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from djust.exceptions import SessionGone, VersionConflict
from djust.state_backend.base import StateBackend
from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.redis.backend import RedisStateBackend
from djust.testing.support import Store, eventually, recorded_reports
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer

#: Seconds. Nothing with one of these expires during a test.
LONG = (1_000, 2_000.5, 0, -1)
DEFAULT_TTL = 5_000
TINY = 0.01

keys = st.sampled_from(["a", "b", "c", "ключ 4", "{e}:"])
owners = st.sampled_from(["ann", "bob", 7])
labels = st.sampled_from(["x.View", "y.View"])
ttls = st.none() | st.sampled_from(LONG)
states = st.dictionaries(
    st.text(max_size=3),
    st.integers(-(2**70), 2**70) | st.binary(max_size=5) | st.text(max_size=5) | st.dates() | st.tuples(st.booleans()),
    max_size=3,
)
sides = st.sampled_from(["sync", "async"])


@dataclass
class Entry:
    """A live session, as the model knows it."""

    state: dict[str, Any]
    ttl: float
    owner: str | None
    label: str | None
    #: One for each backend.
    versions: tuple[int, ...] = ()
    created: tuple[datetime, ...] = ()


@dataclass
class Model:
    """A plain dict, and what has to be reported."""

    live: dict[str, Entry] = field(default_factory=dict)
    overdue: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    def end(self, key: str) -> None:
        """Let the time of a session run out."""
        entry = self.live.pop(key)
        self.overdue.append((key, entry.owner, entry.label))


class Machine(RuleBasedStateMachine):
    """Does everything three times."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.backends: tuple[StateBackend, ...] = (
            InMemoryStateBackend(DEFAULT_TTL, sweep_seconds=3600),
            RedisStateBackend(url, DEFAULT_TTL, f"model-{secrets.token_hex(6)}:"),
        )
        self.stores = {
            "sync": [Store(backend, None) for backend in self.backends],
            "async": [Store(backend, self.loop) for backend in self.backends],
        }
        self.model = Model()
        self.stale: dict[str, list[tuple[int, ...]]] = {}
        self.context = ExitStack()
        self.reports = self.context.enter_context(recorded_reports())
        self.reported = 0

    @initialize(key=keys, state=states)
    def begin(self, key: str, state: dict[str, Any]) -> None:
        """Begin with one session, so that most operations have something to work on."""
        self.save("sync", key, state, None, None, None, "whatever")

    # Operations

    @rule(
        side=sides,
        key=keys,
        state=states,
        ttl=ttls,
        owner=st.none() | owners,
        label=st.none() | labels,
        expected=st.sampled_from(["whatever", "whatever", "right", "right", "none", "stale", "made up"]),
    )
    def save(
        self, side: str, key: str, state: dict[str, Any], ttl: float | None, owner: Any, label: Any, expected: str
    ) -> None:
        """Save a session over whatever is expected."""
        old = self.model.live.get(key)
        versions = self.expected(key, old, expected)
        refusal: type[Exception] | None = None
        if versions[0] is not None and versions != (old.versions if old else (0, 0)):
            refusal = VersionConflict if old else SessionGone
        sessions = []
        for store, version in zip(self.stores[side], versions, strict=True):
            call = {"owner": owner, "label": label, "expected_version": version}
            if refusal is None:
                sessions.append(store.set(key, state, ttl, **call))
            else:
                with pytest.raises(refusal):
                    store.set(key, state, ttl, **call)
        if refusal is not None:
            return
        entry = Entry(
            state=state,
            ttl=ttl if ttl is not None else old.ttl if old else DEFAULT_TTL,
            owner=str(owner) if owner is not None else old.owner if old else None,
            label=label if label is not None else old.label if old else None,
            versions=tuple(session.version for session in sessions),
            created=old.created if old else tuple(session.created_at for session in sessions),
        )
        seen = self.stale.setdefault(key, [])
        assert all(entry.versions[i] != before[i] for before in seen for i in range(2))
        seen.append(entry.versions)
        self.model.live[key] = entry

    def expected(self, key: str, old: Entry | None, kind: str) -> tuple[int | None, ...]:
        """Return the version to expect of each backend."""
        seen = self.stale.get(key, [])
        if kind == "right" and old is not None:
            return old.versions
        if kind == "none":
            return (0, 0)
        if kind == "stale" and seen:
            return seen[len(seen) // 2]
        if kind == "made up":
            return (12345, 12345)
        return (None, None)

    @rule(side=sides, key=keys, ttl=ttls)
    def touch(self, side: str, key: str, ttl: float | None) -> None:
        """Touch a session."""
        assert {store.touch(key, ttl) for store in self.stores[side]} == {key in self.model.live}
        if ttl is not None and key in self.model.live:
            self.model.live[key].ttl = ttl

    @rule(side=sides, key=keys)
    def delete(self, side: str, key: str) -> None:
        """End a session."""
        assert {store.delete(key) for store in self.stores[side]} == {key in self.model.live}
        self.model.live.pop(key, None)

    @rule(side=sides, owner=owners)
    def delete_owner(self, side: str, owner: Any) -> None:
        """End the sessions of an owner."""
        owned = [key for key, entry in self.model.live.items() if entry.owner == str(owner)]
        assert {store.delete_owner(owner) for store in self.stores[side]} == {len(owned)}
        for key in owned:
            del self.model.live[key]

    @precondition(lambda self: len(self.model.live) + len(self.model.overdue) > 5)
    @rule(side=sides)
    def delete_all(self, side: str) -> None:
        """End and forget everything."""
        assert {store.delete_all() for store in self.stores[side]} == {len(self.model.live)}
        self.model = Model()

    # Time

    @precondition(lambda self: self.model.live)
    @rule(side=sides, data=st.data(), touch=st.booleans())
    def expire(self, side: str, data: st.DataObject, touch: bool) -> None:
        """Give a session a moment to live and wait until it is over."""
        key = data.draw(st.sampled_from(sorted(self.model.live)))
        for store in self.stores[side]:
            if touch:
                assert store.touch(key, TINY)
            else:
                store.set(key, {"short": True}, TINY)
        eventually(lambda: all(store.get(key) is None for store in self.stores["sync"]), interval=0.001)
        self.model.end(key)

    @rule(side=sides)
    def clean_up(self, side: str) -> None:
        """Remove and report what is due."""
        assert [store.cleanup_expired() for store in self.stores[side]] == [len(self.model.overdue)] * 2
        self.check_reports()

    @rule(side=sides, ttl=st.sampled_from([0, -5]))
    def clean_up_nothing(self, side: str, ttl: float) -> None:
        """Clean up with a time to live that removes nothing."""
        assert [store.cleanup_expired(ttl) for store in self.stores[side]] == [0, 0]

    @rule(side=sides, long=st.booleans())
    def clean_up_by_hand(self, side: str, long: bool) -> None:
        """Also remove what has been idle for long; wait until that is everything, or nothing."""
        if not long:
            written = datetime.now(UTC)
            eventually(lambda: datetime.now(UTC) - written > timedelta(milliseconds=8), interval=0.001)
            for key in [key for key, entry in self.model.live.items() if entry.ttl > 0]:
                self.model.end(key)
        ttl = 4_000 if long else 0.005
        assert [store.backend.count_due(ttl) for store in self.stores[side]] == [len(self.model.overdue)] * 2
        assert [store.cleanup_expired(ttl) for store in self.stores[side]] == [len(self.model.overdue)] * 2
        self.check_reports()

    def check_reports(self) -> None:
        """Compare the signals since the last time with what the model says is over, and forget both."""
        received = self.reports.since(self.reported)
        self.reported += len(received)
        for backend in self.backends:
            mine = [report for report in received if report.sender is type(backend)]
            assert {(report.signal, report.cause) for report in mine} <= {("session_expired", "idle")}
            assert Counter((report.key, report.owner, report.label) for report in mine) == Counter(self.model.overdue)
        self.model.overdue = []

    # Comparison

    @rule(side=sides, key=keys)
    def read(self, side: str, key: str) -> None:
        """Read a session."""
        entry = self.model.live.get(key)
        for number, store in enumerate(self.stores[side]):
            session = store.get(key)
            if entry is None:
                assert session is None
                continue
            assert session is not None
            assert session.state == entry.state
            assert (session.owner, session.label) == (entry.owner, entry.label)
            assert (session.version, session.created_at) == (entry.versions[number], entry.created[number])
            if entry.ttl <= 0:
                assert (session.ttl, session.expires_at) == (None, None)
            else:
                assert session.ttl == timedelta(seconds=entry.ttl)
                assert session.expires_at == session.last_active_at + session.ttl

    @rule(side=sides, owner=st.none() | owners, label=st.none() | labels, page_size=st.integers(1, 5))
    def list_sessions(self, side: str, owner: Any, label: Any, page_size: int) -> None:
        """List sessions."""
        expected = {
            (key, entry.owner, entry.label, entry.ttl > 0)
            for key, entry in self.model.live.items()
            if (owner is None or entry.owner == str(owner)) and (label is None or entry.label == label)
        }
        for store in self.stores[side]:
            found = store.sessions(owner=owner, label=label, page_size=page_size)
            assert {(info.key, info.owner, info.label, info.expires_at is not None) for info in found} == expected

    @invariant()
    def figures_agree(self) -> None:
        """Compare the figures after every step."""
        for backend in self.backends:
            stats = backend.get_stats()
            assert stats["total_sessions"] == len(self.model.live)
            assert (stats["oldest_session_age"] is None) == (not self.model.live)
            assert backend.backlog().sessions == len(self.model.overdue)
            assert backend.count_due() == len(self.model.overdue)

    def teardown(self) -> None:
        """Compare everything once more, unless a step failed, and see that nothing was reported without need."""
        try:
            if sys.exc_info()[0] is None:
                for key in ("a", "b", "c", "ключ 4", "{e}:"):
                    self.read("sync", key)
                self.clean_up("async")
                assert self.reports.since(self.reported) == []
        finally:
            self.context.close()
            for store in self.stores["async"]:
                store.close()
            for backend in self.backends:
                backend.close()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


def run_machine(url: str, examples: int) -> None:
    """Run the machine against a server."""
    run_state_machine_as_test(
        lambda: Machine(url),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_redis7(redis7: RedisServer) -> None:
    """Debian's Redis 7.0."""
    run_machine(redis7.url, 25)


def test_valkey(valkey: RedisServer) -> None:
    """The embedded server."""
    run_machine(valkey.url, 15)


def test_redis_cluster(redis_cluster: RedisCluster) -> None:
    """A cluster of three primaries."""
    run_machine(redis_cluster.url, 8)
