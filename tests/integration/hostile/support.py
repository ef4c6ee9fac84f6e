"""Clients that send what no browser would, and what they do it to."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from djust.state_backend import RedisStateBackend
from djust.state_backend.records import Session
from tests.servers.process import Process, child_environment
from tests.servers.uvicorn_server import UvicornServer
from tests.servers.waiting import wait_until

APP = "tests.hostile_site.asgi:application"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.hostile_site.settings"}
#: What no client may bring about.
CRASHES = (
    "live_socket_failed",
    "live_hub_failed",
    "live_event_failed",
    "live_state_not_stored",
    "Traceback",
    "Exception",
)

_CONFIG = re.compile(r'data-djust="([^"]*)"')
TIMEOUT_SECONDS = 30


def make_environment(directory: Path, redis_url: str, key_prefix: str, **env: str) -> dict[str, str]:
    """Return the environment of a site whose tables lie in a directory."""
    made = {
        **SETTINGS,
        "DATABASE": str(directory / "db.sqlite3"),
        "REDIS_URL": redis_url,
        "KEY_PREFIX": key_prefix,
        **env,
    }
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, check=True, env=child_environment(made))
    return made


def server(environment: dict[str, str], **env: str) -> UvicornServer:
    """Return a server of the site."""
    return UvicornServer(APP, env={**environment, **env}, arguments=["--log-level", "warning"])


def events(process: Process, name: str) -> list[dict[str, Any]]:
    """Return what a process has logged of one event."""
    return [event for event in _lines(process) if event.get("event") == name]


def _lines(process: Process) -> Iterator[dict[str, Any]]:
    for line in process.output().splitlines():
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


def assert_unharmed(process: Process) -> None:
    """Fail if a process ended or met an error that it did not expect."""
    process.check_running()
    crashes = [line for line in process.output().splitlines() if any(crash in line for crash in CRASHES)]
    assert not crashes, crashes[0]


def resident_kb(process: Process) -> int:
    """Return the memory that a process occupies."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found.group(1))


class Page:
    """A page as its browser got it."""

    def __init__(self, visitor: Visitor, token: str) -> None:
        self.visitor = visitor
        self.token = token
        body = token.split(":", maxsplit=1)[0]
        packed = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        self.key: str = packed[0]
        self.client = secrets.token_hex(8)

    def join_frame(self, **changes: Any) -> dict[str, Any]:
        """Return the frame that joins it."""
        return {"t": "join", "token": self.token, "client": self.client, "uri": "/", **changes}


class Visitor:
    """A browser, as far as it has cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def log_in(self, name: str | None = None) -> str:
        """Log in, and return the user's id."""
        response = self.http.get(f"/login/{name or secrets.token_hex(6)}/")
        assert response.status_code == 200, response.text
        return response.text

    def page(self, path: str = "/") -> Page:
        """Ask for a page."""
        response = self.http.get(path)
        found = _CONFIG.search(response.text)
        assert found is not None, response.text
        return Page(self, json.loads(html.unescape(found.group(1)))["token"])

    async def socket(self, *, url: str | None = None, origin: str | None = "", cookies: bool = True) -> Socket:
        """Open a socket, to another server if ``url`` says so."""
        headers = {}
        if cookies and self.http.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        if origin is not None:
            headers["Origin"] = origin or self.url
        target = (url or self.url).replace("http://", "ws://") + "/ws/live/"
        connection = await connect(
            target,
            additional_headers=headers,
            compression=None,
            max_size=None,
            open_timeout=TIMEOUT_SECONDS,
            proxy=None,
        )
        return Socket(connection)

    async def joined(self, page: Page | None = None, *, url: str | None = None) -> Socket:
        """Open a socket and join a page."""
        page = page or self.page()
        socket = await self.socket(url=url)
        await socket.send(page.join_frame())
        answer = await socket.answer()
        assert answer["t"] == "joined", answer
        return socket


class Socket:
    """One socket, spoken to frame by frame."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def __aenter__(self) -> Socket:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    async def send(self, frame: Any) -> None:
        """Send an object as JSON, or a text or bytes as they are. What is closed already takes nothing."""
        try:
            await self.connection.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
        except ConnectionClosed:
            return

    async def answer(self) -> dict[str, Any]:
        """Return the next frame."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            found: dict[str, Any] = json.loads(await self.connection.recv())
        return found

    async def event(self, number: int, name: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a handler and return the answer."""
        await self.send({"t": "event", "n": number, "name": name, "params": params or {}})
        while (answer := await self.answer()).get("n") != number:
            pass
        return answer

    async def closed(self) -> tuple[int, str]:
        """Wait until the server closes it, and return code and reason."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed:
                return self.connection.close_code or 0, self.connection.close_reason or ""


class Store:
    """What lies in the store of the site."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._url, self._prefix = environment["REDIS_URL"], environment["KEY_PREFIX"]

    def get(self, page: Page) -> Session | None:
        """Return the session of a page."""
        with closing(RedisStateBackend(self._url, key_prefix=self._prefix)) as backend:
            return backend.get(page.key)

    def delete(self, page: Page) -> None:
        """End the session of a page."""
        with closing(RedisStateBackend(self._url, key_prefix=self._prefix)) as backend:
            assert backend.delete(page.key)

    def state(self, page: Page) -> tuple[int, dict[str, Any]]:
        """Return version and state of a page that lives."""
        session = self.get(page)
        assert session is not None
        return session.version, session.state


class Site:
    """A server, its store, and an honest visitor whom nobody may disturb."""

    def __init__(self, web: UvicornServer, environment: dict[str, str]) -> None:
        self.web = web
        self.store = Store(environment)
        self._seen = 0

    def forget_refusals(self) -> None:
        """Take what was logged so far as seen."""
        self._seen = len(events(self.web.process, "live_refused"))

    def refusals(self) -> list[int]:
        """Return the codes that were logged since they were forgotten."""
        return [event["code"] for event in events(self.web.process, "live_refused")][self._seen :]


async def refused(site: Site, socket: Socket, code: int, page: Page | None = None, *frames: Any) -> str:
    """Send frames and see the last one refused, logged, and without effect on a page."""
    before = site.store.state(page) if page is not None else None
    for frame in frames:
        await socket.send(frame)
    found, reason = await socket.closed()
    assert found == code, reason
    wait_until(site.refusals, what="live_refused")
    assert site.refusals() == [code]
    site.forget_refusals()
    if page is not None:
        assert site.store.state(page) == before
    return reason
