"""A real Celery worker and a real beat, as subprocesses."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.process import Process, child_environment
from tests.servers.reaper import get_reaper


class CeleryProcess:
    """What worker and beat share. Leaving the context kills it: to end in good order takes a worker seconds.

    Args:
        app: What ``celery -A`` gets.
        env: Variables on top of ``child_environment``.
        cwd: Where to start it, so that ``app`` can be imported.
        arguments: More arguments of the command.
        timeout: Seconds to wait until it is ready.
    """

    command: str
    ready: str

    def __init__(
        self,
        app: str,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        arguments: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> None:
        self.directory = get_reaper().new_directory(f"celery-{self.command}")
        self._command = [sys.executable, "-m", "celery", "-A", app, self.command, *self._defaults(), *arguments]
        self._env = child_environment(env)
        self._cwd = cwd
        self._timeout = timeout
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()

    def start(self) -> None:
        """Start it, again if it was killed, and wait until it says that it is ready."""
        self._process = Process(
            f"celery {self.command}", self._command, log=self.directory / "log", env=self._env, cwd=self._cwd
        )
        try:
            self._process.wait_for_output(self.ready, timeout=self._timeout)
        except BaseException:
            self._process.kill()
            raise

    @property
    def process(self) -> Process:
        """The process that runs now or ran last: its pid, its output, ``wait_for_output``."""
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """End it and its children with SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """End it with SIGTERM."""
        self.process.stop()

    def _defaults(self) -> list[str]:
        raise AssertionError("Use CeleryWorker or CeleryBeat.")


class CeleryWorker(CeleryProcess):
    """A worker. ``pool`` and ``concurrency`` as the command knows them."""

    command = "worker"
    ready = r"celery@\S+ ready"

    def __init__(
        self,
        app: str,
        *,
        name: str = "worker",
        pool: str = "prefork",
        concurrency: int = 1,
        loglevel: str = "INFO",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        # Before it is ready a worker listens for others, for a second that no test is about.
        self._options = ["-P", pool, "-c", str(concurrency), "-n", f"{name}@%h", "-l", loglevel, "--without-mingle"]
        self.ready = self.ready.replace("celery@", f"{name}@")
        super().__init__(app, env=env, cwd=cwd, arguments=arguments)

    def _defaults(self) -> list[str]:
        return self._options


class CeleryBeat(CeleryProcess):
    """A beat that reads its schedule from the database unless told otherwise."""

    command = "beat"
    ready = r"beat: Starting"

    def _defaults(self) -> list[str]:
        return [
            *("-l", "INFO"),
            *("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler"),
            *("--pidfile", ""),
            *("--schedule", str(self.directory / "schedule")),
        ]
