"""The thread that sweeps a backend from inside its process."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Lock, Thread, current_thread
from weakref import WeakMethod

from djust.log import logger

_STOP_SECONDS = 5.0


class Sweeper:
    """Calls a method every few seconds in a daemon thread, without keeping its object alive.

    Args:
        method: What to call.
        seconds: The pause between two calls.
    """

    def __init__(self, method: Callable[[], object], seconds: float) -> None:
        self._method = WeakMethod(method)
        self._seconds = seconds
        self._lock = Lock()
        self._thread: Thread | None = None
        self._stop = Event()

    def start(self) -> None:
        """Start the thread unless it runs."""
        if self._thread is None:
            with self._lock:
                self._start()

    def stop(self) -> None:
        """End the thread, waiting a little for a call that is under way."""
        with self._lock:
            thread = self._thread
            self._stop.set()
        if thread is not None and thread is not current_thread():
            thread.join(_STOP_SECONDS)

    def _start(self) -> None:
        if self._thread is not None:
            return
        self._stop = Event()
        thread = Thread(target=self._run, args=(self._stop,), name="djust-memory-sweeper", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError as error:  # The interpreter is shutting down, or the system has no thread left.
            self._thread = None
            logger.warning("memory_sweeper_not_started", error=str(error))

    def _run(self, stop: Event) -> None:
        try:
            while not stop.wait(self._seconds):
                method = self._method()
                if method is None:
                    return
                method()
                del method
        finally:  # Also when the method raised: the next start is a fresh one.
            with self._lock:
                if self._stop is stop:
                    self._thread = None
