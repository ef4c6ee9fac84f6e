"""gunicorn with the gunicorn.conf.py that example/deploy ships."""

from __future__ import annotations

import signal
import socket
import sys
from types import TracebackType
from typing import Self

from tests.acceptance.deployment import DEPLOY
from tests.servers.ports import HOST, free_port
from tests.servers.process import Process, child_environment
from tests.servers.reaper import get_reaper
from tests.servers.waiting import wait_until


class GunicornServer:
    """Serves ``app`` with these variables. Leaving the context ends it."""

    def __init__(self, app: str, **variables: str) -> None:
        self.port = free_port()
        self._app = app
        self._env = child_environment({"BIND": f"{HOST}:{self.port}", **variables})
        self._log = get_reaper().new_directory("gunicorn") / "log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()

    def start(self) -> None:
        """Start it, again if it has ended, and wait until it listens and a worker has begun to serve."""
        command = [sys.executable, "-m", "gunicorn", "--config", str(DEPLOY / "gunicorn.conf.py"), self._app]
        self.process = Process("gunicorn", command, log=self._log, env=self._env)
        wait_until(self._accepts, what="gunicorn to listen")
        self.process.wait_for_output("Application startup complete")

    def terminate(self) -> int:
        """End it with SIGTERM, and return how it ended."""
        self.process.send(signal.SIGTERM)
        wait_until(lambda: not self.process.running, what="gunicorn to end")
        assert self.process.returncode is not None
        return self.process.returncode

    def _accepts(self) -> bool:
        self.process.check_running()
        try:
            socket.create_connection((HOST, self.port), timeout=5).close()
        except OSError:
            return False
        return True
