"""The memory backend sweeps itself, in the process that owns it."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from djust.signals import session_expired
from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.memory.sweeper import Sweeper
from djust.testing import Reports, eventually
from djust.testing.support import SOON, recorded_reports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reports() -> Iterator[Reports]:
    """Record the signals."""
    with recorded_reports() as reports:
        yield reports


@pytest.fixture
def backend() -> Iterator[InMemoryStateBackend]:
    """A backend that sweeps itself all the time."""
    backend = InMemoryStateBackend(sweep_seconds=0.01)
    yield backend
    backend.close()


@pytest.fixture
def receive() -> Iterator[Callable[[Callable[..., Any]], None]]:
    """Connect receivers of ``session_expired`` for the time of the test."""
    connected: list[Callable[..., Any]] = []

    def connect(receiver: Callable[..., Any]) -> None:
        session_expired.connect(receiver, weak=False)
        connected.append(receiver)

    yield connect
    for receiver in connected:
        session_expired.disconnect(receiver)


def sweeps(backend: InMemoryStateBackend) -> bool:
    thread = backend._sweeper._thread
    return thread is not None and thread.is_alive()


def test_it_starts_with_the_first_write(backend: InMemoryStateBackend) -> None:
    backend.get("key")
    backend.touch("key")
    backend.cleanup_expired()
    assert not sweeps(backend)
    backend.set("key", {})
    assert sweeps(backend)


def test_what_expires_is_reported_without_anybody_asking(backend: InMemoryStateBackend, reports: Reports) -> None:
    backend.set("live", {})
    session = backend.set("key", {}, SOON, owner="someone")
    [report] = eventually(lambda: reports.of("key"))
    assert (report.sender, report.owner, report.cause) == (InMemoryStateBackend, "someone", "idle")
    assert report.created_at == session.created_at
    assert backend.backlog().sessions == 0
    assert backend.get("live") is not None
    assert not reports.of("live")


def test_a_receiver_that_raises_does_not_end_it(
    backend: InMemoryStateBackend, reports: Reports, receive: Callable[..., None]
) -> None:
    def trip(**_: object) -> None:
        raise RuntimeError("a receiver's own mistake")

    receive(trip)
    for number in range(3):
        backend.set(f"key {number}", {}, SOON)
        assert eventually(lambda number=number: reports.of(f"key {number}"))  # type: ignore[misc]
    assert sweeps(backend)


def test_a_receiver_may_use_the_backend(
    backend: InMemoryStateBackend, reports: Reports, receive: Callable[..., None]
) -> None:
    def again(key: str, **_: object) -> None:
        if key == "key":
            backend.set("from a receiver", {"was": key})
            backend.cleanup_expired()

    receive(again)
    backend.set("key", {}, SOON)
    assert eventually(lambda: backend.get("from a receiver")).state == {"was": "key"}


def test_a_slow_receiver_holds_nobody_up(backend: InMemoryStateBackend, receive: Callable[..., None]) -> None:
    reached, let_go = threading.Event(), threading.Event()

    def wait(**_: object) -> None:
        reached.set()
        let_go.wait(20)

    receive(wait)
    backend.set("key", {}, SOON)
    assert reached.wait(20)
    try:
        saved = backend.set("other", {})
        assert backend.get("other") == saved
        assert backend.touch("other")
        assert backend.get_stats()["total_sessions"] == 1
        assert backend.delete("other")
    finally:
        let_go.set()


def test_close_ends_it_and_the_next_write_starts_it_again(backend: InMemoryStateBackend, reports: Reports) -> None:
    backend.set("key", {})
    thread = backend._sweeper._thread
    assert thread is not None
    backend.close()
    backend.close()
    assert not thread.is_alive()
    assert backend.get("key") is not None
    backend.set("other", {}, SOON)
    assert sweeps(backend)
    assert eventually(lambda: reports.of("other"))


def test_a_receiver_may_close_the_backend(
    backend: InMemoryStateBackend, receive: Callable[..., None], reports: Reports
) -> None:
    receive(lambda **_: backend.close())
    backend.set("key", {}, SOON)
    eventually(lambda: reports.of("key") and not sweeps(backend))
    backend.set("other", {}, SOON)
    assert eventually(lambda: reports.of("other"))


def test_writers_in_many_threads_start_one(backend: InMemoryStateBackend) -> None:
    others = {thread for thread in threading.enumerate() if thread.name == "djust-memory-sweeper"}
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        backend.set(f"key {number}", {})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started = {thread for thread in threading.enumerate() if thread.name == "djust-memory-sweeper"} - others
    assert started == {backend._sweeper._thread}


def test_it_does_not_keep_a_discarded_backend() -> None:
    backend = InMemoryStateBackend(sweep_seconds=0.01)
    backend.set("key", {})
    thread = backend._sweeper._thread
    assert thread is not None
    gone = weakref.ref(backend)
    del backend

    def collected() -> bool:
        gc.collect()
        return gone() is None and not thread.is_alive()

    eventually(collected)


def test_it_does_not_keep_the_interpreter() -> None:
    script = (
        "from django.conf import settings\n"
        "settings.configure(SECRET_KEY='test')\n"
        "from djust.state_backend.memory import InMemoryStateBackend\n"
        "InMemoryStateBackend(sweep_seconds=3600).set('key', {})\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60, check=True)


def test_what_it_did_is_logged(
    backend: InMemoryStateBackend, caplog: pytest.LogCaptureFixture, reports: Reports
) -> None:
    caplog.set_level(logging.INFO, "djust.state_backend")
    backend.set("key", {}, SOON)
    message = eventually(lambda: next((text for text in caplog.messages if text.startswith("cleanup_finished")), None))
    for part in ("backend=memory", "trigger=sweeper", "removed=1", "scanned=1", "remaining=0", "duration_ms="):
        assert part in message


def test_readers_and_writers_are_served_during_a_large_sweep(reports: Reports) -> None:
    backend = InMemoryStateBackend(sweep_seconds=3600, max_sessions=30_000)
    backend.set("live", {"n": 0})
    for number in range(20_000):
        backend.set(f"key {number}", {}, SOON)
    eventually(lambda: backend.backlog().sessions == 20_000)
    sweep = threading.Thread(target=backend.cleanup_expired)
    sweep.start()
    served = 0
    while sweep.is_alive():
        assert backend.get("live") is not None
        backend.set("live", {"n": served})
        assert backend.touch("live")
        served += 1
    sweep.join()
    backend.close()
    assert served > 10
    assert len(reports) == 20_000


class Counter:
    """Something that is called again and again, and fails the first time."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self) -> None:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("the first call fails")


def test_a_failure_ends_it_loudly_and_the_next_start_is_a_fresh_one(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    counter = Counter()
    sweeper = Sweeper(counter.call, 0.005)
    sweeper.start()
    eventually(lambda: raised)
    eventually(lambda: sweeper._thread is None)
    sweeper.start()
    eventually(lambda: counter.calls >= 3)
    thread = sweeper._thread
    assert thread is not None
    sweeper.stop()
    assert not thread.is_alive()
    assert len(raised) == 1


def test_a_system_without_threads_to_spare_still_stores(
    backend: InMemoryStateBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        backend.set("key", {})
    assert "memory_sweeper_not_started" in caplog.text
    assert backend.get("key") is not None
    backend.set("key", {})
    assert sweeps(backend)
