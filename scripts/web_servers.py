"""The web servers of the demo: three behind nginx where nginx is installed, one without; and what happens to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from scripts.child_processes import Child, say
from tests.servers.binaries import MissingServer
from tests.servers.nginx_server import NginxServer, nginx
from tests.servers.ports import HOST, free_ports

BEHIND_NGINX = 3
#: When the first server is stopped and the second is killed, in seconds, and how often one ends after that.
FIRST_ENDS, EVERY_SECONDS = (5.0, 9.0), 30.0


class WebServers:
    """Starts them, and ends one now and then, by SIGTERM and by SIGKILL in turn. Leaving the context ends nginx.

    Args:
        start: Starts a web server with a name on a port.
    """

    def __init__(self, start: Callable[[str, int], Child]) -> None:
        self._start = start
        self._stack = ExitStack()
        self._began_at = time.monotonic()
        self._turn = 0
        self._down: Child | None = None
        try:
            nginx()
        except MissingServer:
            names = ["web"]
        else:
            names = [f"web{number}" for number in range(1, BEHIND_NGINX + 1)]
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._children: dict[str, Child] = {}
        self._nginx = NginxServer(list(self._ports.values())) if len(names) > 1 else None

    def __enter__(self) -> WebServers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the web servers, and nginx in front of them; they need a moment until they answer."""
        for name, port in self._ports.items():
            self._children[name] = self._start(name, port)
        if self._nginx is not None:
            self._stack.enter_context(self._nginx)

    @property
    def ports(self) -> dict[str, int]:
        """Where each server answers, by name."""
        return self._ports

    @property
    def url(self) -> str:
        """Where the site is."""
        return self._nginx.url if self._nginx is not None else f"http://{HOST}:{self._ports['web']}"

    @property
    def description(self) -> str:
        """How the site is served."""
        if self._nginx is None:
            return "one web server; with nginx installed there would be three behind it"
        return f"nginx, with {len(self._ports)} web servers behind it; one ends now and then"

    @property
    def ended(self) -> int:
        """How many servers were ended so far."""
        return self._turn

    def begin(self) -> None:
        """Count the time from here on."""
        self._began_at = time.monotonic()

    def go_on(self) -> None:
        """Start what has ended again, or end one if it is time."""
        if self._nginx is None:
            return
        if self._down is not None:
            if self._down.returncode is not None:
                name = self._down.name
                self._children[name] = self._start(name, self._ports[name])
                say("demo", f"{name} starts again.")
                self._down = None
        elif time.monotonic() - self._began_at >= self._due_at():
            self._end_one()

    def _due_at(self) -> float:
        if self._turn < len(FIRST_ENDS):
            return FIRST_ENDS[self._turn]
        return FIRST_ENDS[-1] + EVERY_SECONDS * (self._turn - len(FIRST_ENDS) + 1)

    def _end_one(self) -> None:
        names = list(self._children)
        child = self._down = self._children[names[(self._turn + 1) % len(names)]]
        if self._turn % 2:
            say("demo", f"{child.name} is killed (SIGKILL).")
            child.kill()
        else:
            say("demo", f"{child.name} is stopped (SIGTERM).")
            child.ask_to_stop()
        self._turn += 1
