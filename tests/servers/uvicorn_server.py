"""An ASGI application behind a real uvicorn."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.ports import HOST, free_port
from tests.servers.process import Process, child_environment
from tests.servers.reaper import get_reaper
from tests.servers.waiting import wait_until


class UvicornServer:
    """Serves ``app`` (``"package.asgi:application"``) at ``url``. Leaving the context ends it.

    Args:
        app: The module and the name of the application.
        env: Environment variables to add.
        cwd: The directory in which it runs.
        arguments: More arguments of uvicorn.
        python: The interpreter of another environment.
    """

    host = HOST

    def __init__(
        self,
        app: str,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        arguments: Sequence[str] = (),
        python: Path = Path(sys.executable),
    ) -> None:
        self.port = free_port()
        self._app = app
        self._env = child_environment(env)
        self._cwd = cwd
        self._arguments = list(arguments)
        self._python = str(python)
        self._log = get_reaper().new_directory("uvicorn") / "log"
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.stop()

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def process(self) -> Process:
        """The process that runs now or ran last."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it, again if it was killed, and wait until it accepts connections."""
        self._process = Process(
            "uvicorn",
            [
                *(self._python, "-m", "uvicorn", self._app),
                *("--host", self.host, "--port", str(self.port)),
                *self._arguments,
            ],
            log=self._log,
            env=self._env,
            cwd=self._cwd,
        )
        wait_until(self._accepts, what=f"uvicorn on port {self.port}")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()

    def _accepts(self) -> bool:
        self.process.check_running()
        try:
            socket.create_connection((self.host, self.port), timeout=5).close()
        except OSError:
            return False
        return True
