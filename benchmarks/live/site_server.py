"""The site behind one uvicorn worker, with either package, and the process of its clients."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.live.environment import peer_python
from tests.servers.process import child_environment
from tests.servers.reaper import get_reaper
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer

_SITE = Path(__file__).parent / "site"
#: What the guide says for production, and no access log.
_ARGUMENTS = (
    *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio"),
    *("--lifespan", "off", "--no-access-log", "--log-level", "warning"),
)
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


class SiteServer:
    """One worker that serves the site. See ``serving``."""

    def __init__(self, side: str, server: UvicornServer, compression: bool) -> None:
        self.side = side
        self.compression = "deflate" if compression else None
        self._server = server

    @property
    def resident_kb(self) -> int:
        """The memory that the worker has in use, in kB."""
        status = Path(f"/proc/{self._server.process.pid}/status").read_text()
        found = _RESIDENT.search(status)
        assert found is not None
        return int(found.group(1))

    def load(self, view: str, clients: int, *, seconds: float = 0.0, rate: float = 0.0) -> dict[str, Any]:
        """Let clients work, and return what they found.

        Args:
            view: ``"counter"`` or ``"list"``.
            clients: How many.
            seconds: For how long.
            rate: Events a second of all of them; 0: each sends its next one when the last is answered.
        """
        return self._run({"view": view, "clients": clients, "seconds": seconds, "rate": rate})

    def count_after_reconnect(self) -> int:
        """Return what a counter shows after three events and a reconnect."""
        found: int = self._run({"view": "counter", "clients": 1, "reconnect": True})["count"]
        return found

    @contextmanager
    def idle(self, view: str, clients: int) -> Iterator[None]:
        """Have clients that joined the view and are silent."""
        command = self._command({"view": view, "clients": clients, "rate": None})
        with subprocess.Popen(
            command, env=child_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                if process.stdout.readline() != b"ready\n":
                    raise RuntimeError(f"{self.side}: no clients.\n{self._server.process.tail()}")
                yield
            finally:
                process.stdin.close()

    def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        finished = subprocess.run(self._command(job), env=child_environment(), capture_output=True, check=False)
        if finished.returncode:
            raise RuntimeError(f"{self.side}: {finished.stderr.decode()}\n{self._server.process.tail()}")
        found: dict[str, Any] = json.loads(finished.stdout)
        return found

    def _command(self, job: dict[str, Any]) -> list[str]:
        whole = {
            "side": self.side,
            "url": self._server.url,
            "pid": self._server.process.pid,
            "compression": self.compression,
            "reconnect": False,
            **job,
        }
        return [sys.executable, "-m", "benchmarks.live.load", json.dumps(whole)]


@contextmanager
def serving(side: str, redis: RedisServer, *, compression: bool = False) -> Iterator[SiteServer]:
    """Serve the site with one package.

    Args:
        side: ``"ours"`` or ``"peer"``.
        redis: Where sessions are kept. Each package has a database of its own in it.
        compression: Whether frames are compressed where a client asks for it.
    """
    python = Path(sys.executable) if side == "ours" else peer_python()
    database = get_reaper().new_directory("live") / "database.sqlite3"
    env = {
        "DJANGO_SETTINGS_MODULE": "live_site.settings",
        "LIVE_PEER": str(int(side == "peer")),
        "LIVE_DATABASE": str(database),
        "LIVE_REDIS_URL": f"{redis.url.rpartition('/')[0]}/{1 + (side == 'peer')}",
        # Not this directory: its djust would be found first.
        "PYTHONPATH": str(_SITE),
    }
    migrate = [str(python), "-m", "django", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(migrate, env={**os.environ, **env}, cwd=_SITE, check=True)
    arguments = [*_ARGUMENTS, "--ws-per-message-deflate", str(compression).lower()]
    with UvicornServer("live_site.asgi:application", env=env, cwd=_SITE, arguments=arguments, python=python) as server:
        yield SiteServer(side, server, compression)
