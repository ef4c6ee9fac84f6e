"""A browser without a screen: it opens a LiveView of a running site and speaks to it as the client script does."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import re
import secrets
from collections.abc import Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

from djust.exceptions import DjustError
from djust.live_view.splice import apply_splices

_CONFIG = re.compile(r'\sdata-djust="([^"]*)"')
#: The largest frame that is taken: a whole page may come in one.
_MAX_FRAME_BYTES = 16 * 2**20


class NotLive(DjustError):
    """What answered is no LiveView, or its server does not let this client join it."""


class Disconnected(DjustError):
    """The socket ended before an answer came.

    Attributes:
        code: The code that it was closed with; 1006 if it was lost.
        reason: What the server said, or "".
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The socket was closed with code {code}{f': {reason}' if reason else ''}.")
        self.code = code
        self.reason = reason


class LiveClient:
    """One page of one browser.

    It does not connect again by itself: a test that ends a server says when, with ``reconnect``. It is light enough
    for thousands of them in one process::

        client = await LiveClient.open("http://127.0.0.1:8000", "/counter/")
        await client.event("increment")
        assert "1" in client.html
        await client.leave()
    """

    __slots__ = (
        "_changed",
        "_connection",
        "_heartbeat",
        "_joined",
        "_number",
        "_options",
        "_path",
        "_reader",
        "_timer",
        "_token",
        "_unanswered",
        "_url",
        "_waiting",
        "base_url",
        "client_id",
        "close_code",
        "close_reason",
        "cookies",
        "html",
        "last_number",
        "navigation",
        "pushed",
        "title",
    )

    def __init__(self, base_url: str, path: str, cookies: Mapping[str, str] | None, options: dict[str, Any]) -> None:
        self.base_url = base_url.rstrip("/")
        #: What the browser sends along, by name. What the page's answer sets is added.
        self.cookies: dict[str, str] = dict(cookies or {})
        #: The inner HTML of the element with ``dj-root``.
        self.html = ""
        self.title: str | None = None
        #: The number of the last event that the server acknowledged.
        self.last_number = 0
        #: What ``push_event`` sent so far, as pairs of event and payload.
        self.pushed: list[tuple[str, Any]] = []
        #: Where the last update that navigates sends the page: a dict with ``kind``, ``url`` and ``replace``.
        self.navigation: dict[str, Any] | None = None
        #: The code that the socket was closed with; ``None`` while it is open.
        self.close_code: int | None = None
        self.close_reason = ""
        #: The id of this page instance.
        self.client_id = secrets.token_urlsafe(16)
        self._path = path
        self._options = options
        self._token = ""
        self._url = ""
        self._heartbeat = 25.0
        self._number = 0
        #: By number, what was sent and not answered.
        self._unanswered: dict[int, dict[str, Any]] = {}
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._joined: asyncio.Future[dict[str, Any]] | None = None
        self._changed = asyncio.Event()
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        base_url: str,
        path: str,
        cookies: Mapping[str, str] | None = None,
        *,
        origin: str | None = None,
        compression: str | None = None,
        open_timeout: float = 30.0,
    ) -> Self:
        """Ask for a page and join it.

        Args:
            base_url: Scheme, host and port of the site.
            path: Path and query of the page.
            cookies: Cookies by name, for example ``{"sessionid": ...}`` of somebody who is logged in.
            origin: The Origin that is sent; by default that of ``base_url``.
            compression: ``"deflate"`` to offer compression, which takes memory for each socket at both ends.
            open_timeout: Seconds in which a socket must be open, and joined.

        Raises:
            NotLive: There is no LiveView.
            Disconnected: The server closed the socket instead.
            OSError, TimeoutError: It cannot be reached.
        """
        options = {"origin": origin, "compression": compression, "open_timeout": open_timeout}
        client = cls(base_url, path, cookies, options)
        await client.load()
        await client.join()
        return client

    # What a browser does with a page

    async def load(self) -> None:
        """Ask for the page, afresh: keep its cookies and its token.

        Raises:
            NotLive: It is no LiveView.
            OSError: The site cannot be reached.
        """
        status, text = await asyncio.to_thread(self._get)
        found = _CONFIG.search(text)
        config = json.loads(html.unescape(found.group(1))) if found else {}
        if status != 200 or "token" not in config:
            raise NotLive(
                f"{self._path} answered with status {status} and no LiveView: its template needs "
                "{% load live_tags %} and {% djust_client_config %} in its head."
            )
        self._token, self._heartbeat = config["token"], float(config["heartbeat"])
        self._url = config["url"]

    async def join(self) -> dict[str, Any]:
        """Open a socket, join the page, send again what was not answered, and wait until that is.

        Returns:
            The frame that says so.

        Raises:
            NotLive: The view is another one by now: the page has to be loaded afresh.
            Disconnected: The server closed the socket instead.
            OSError, TimeoutError: It cannot be reached.
        """
        loop = asyncio.get_running_loop()
        self._connection = await self._connect()
        self.close_code, self.close_reason = None, ""
        self._joined = loop.create_future()
        self._reader = loop.create_task(self._read(self._connection))
        join = {"t": "join", "token": self._token, "client": self.client_id, "acked": self.last_number}
        await self.send(join)
        async with asyncio.timeout(self._options["open_timeout"]):
            frame = await self._joined
        if frame["t"] == "stale":
            raise NotLive(f"The view at {self._path} is another one by now.")
        again = [self._expect(number) for number in self._unanswered]
        for unanswered in list(self._unanswered.values()):
            await self.send(unanswered)
        if again:
            await asyncio.gather(*again)
        return frame

    async def reconnect(self, base_url: str | None = None) -> dict[str, Any]:
        """Join again after the socket was lost, as the same page instance. See ``join``.

        Args:
            base_url: Another server of the same site.
        """
        await self.drop()
        if base_url is not None:
            self.base_url = base_url.rstrip("/")
        return await self.join()

    async def event(self, name: str, /, *args: Any, **params: Any) -> dict[str, Any]:
        """Call a handler, and wait until it is acknowledged.

        Returns:
            The frame that acknowledges it: its ``t`` is ``"update"`` or ``"error"``.

        Raises:
            Disconnected: The socket ended before. Whether the event counted is not known: ``reconnect`` sends it
                again, and the server knows it by its number.
        """
        frame: dict[str, Any] = {"t": "event", "name": name}
        if args:
            frame["args"] = args
        if params:
            frame["params"] = params
        return await self._ask(frame)

    async def set(self, field: str, value: Any) -> dict[str, Any]:
        """Change a field that the template binds with ``dj-model``. See ``event``."""
        return await self._ask({"t": "model", "field": field, "value": value})

    async def patch(self, uri: str) -> dict[str, Any]:
        """Change the address within the view, as ``dj-patch`` does. See ``event``."""
        return await self._ask({"t": "url", "uri": uri})

    async def until(self, condition: Callable[[LiveClient], bool], *, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Wait until a condition holds that changes with what the server sends, such as a broadcast.

        Raises:
            Disconnected: The socket ended before.
            TimeoutError: It took longer than ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            while not condition(self):
                if self.close_code is not None:
                    raise Disconnected(self.close_code, self.close_reason)
                await self._changed.wait()

    # The end of a socket

    async def leave(self) -> None:
        """Leave the page on purpose, as a browser does that closes it."""
        if self.close_code is None and self._connection is not None:
            await self.send({"t": "leave"})
            await self._connection.close(1001)
        await self.closed()

    async def drop(self) -> None:
        """Lose the connection: the server is told nothing."""
        if self._connection is not None:
            self._connection.transport.abort()
        await self.closed()

    async def closed(self) -> int | None:
        """Wait until the socket is closed, and return the code; ``None`` if there never was one."""
        if self._reader is not None:
            await asyncio.wait({self._reader})
        return self.close_code

    # Frames

    async def send(self, frame: Mapping[str, Any] | str) -> None:
        """Send a frame as it is, without a number: for tests of what a server refuses.

        Raises:
            Disconnected: The socket is closed.
        """
        text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
        if self._connection is None:
            raise Disconnected(1006, "There is no socket yet.")
        try:
            await self._connection.send(text)
        except ConnectionClosed:
            code = await self.closed()
            raise Disconnected(code or 1006, self.close_reason) from None

    async def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        frame["n"] = self._number
        self._unanswered[self._number] = frame
        answer = self._expect(self._number)
        await self.send(frame)
        return await answer

    def _expect(self, number: int) -> asyncio.Future[dict[str, Any]]:
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        return answer

    async def _read(self, connection: ClientConnection) -> None:
        self._beat(connection)
        try:
            async for text in connection:
                self._take(json.loads(text))
                self._tell()
        except ConnectionClosed:
            pass
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self.close_code = connection.close_code or 1006
            self.close_reason = connection.close_reason or ""
            lost, self._waiting = self._waiting, {}
            for answer in (self._joined, *lost.values()):
                if answer is not None and not answer.done():
                    answer.set_exception(Disconnected(self.close_code, self.close_reason))
                    answer.exception()
            self._tell()

    def _take(self, frame: dict[str, Any]) -> None:
        kind, number = frame["t"], frame.get("n")
        if "html" in frame:
            self.html = frame["html"]
        elif splices := frame.get("splices"):
            self.html = _spliced(self.html, splices)
        if "title" in frame:
            self.title = frame["title"]
        if "nav" in frame:
            self.navigation = frame["nav"]
        self.pushed += [(event, payload) for event, payload in frame.get("events", ())]
        if number is not None:
            self._acknowledged(number)
            if (answer := self._waiting.pop(number, None)) is not None and not answer.done():
                answer.set_result(frame)
        if kind in ("joined", "stale") and self._joined is not None and not self._joined.done():
            self._joined.set_result(frame)

    def _acknowledged(self, number: int) -> None:
        self.last_number = max(self.last_number, number)
        # The server does everything in turn: what was sent before is answered as well.
        for earlier in [sent for sent in self._unanswered if sent <= number]:
            del self._unanswered[earlier]

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _beat(self, connection: ClientConnection) -> None:
        """Send a ping now and then: a server closes what is silent for too long."""

        def beat() -> None:
            self._beat(connection)
            task = asyncio.get_running_loop().create_task(self.send({"t": "ping"}))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

        self._timer = asyncio.get_running_loop().call_later(self._heartbeat, beat)

    # HTTP

    async def _connect(self) -> ClientConnection:
        headers = {"Cookie": self._cookie_header()} if self.cookies else {}
        scheme, _, rest = self.base_url.partition("://")
        return await connect(
            f"{'wss' if scheme == 'https' else 'ws'}://{rest}{self._url}",
            origin=Origin(self._options["origin"] or self.base_url),
            additional_headers=headers,
            compression=self._options["compression"],
            open_timeout=self._options["open_timeout"],
            ping_interval=None,
            proxy=None,
            max_size=_MAX_FRAME_BYTES,
            user_agent_header=None,
        )

    def _get(self) -> tuple[int, str]:
        parts = urlsplit(self.base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=self._options["open_timeout"])
        try:
            headers = {"Cookie": self._cookie_header()} if self.cookies else {}
            connection.request("GET", self._path, headers={**headers, "Accept": "text/html"})
            response = connection.getresponse()
            for header in response.headers.get_all("Set-Cookie") or ():
                self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(header).items()})
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def _cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())


def _spliced(text: str, splices: list[Any]) -> str:
    """Return ``text`` with splices applied."""
    if not text.isascii():
        return apply_splices(text, [(start, removed, inserted) for start, removed, inserted in splices])
    # A character is a code unit here.
    for start, removed, inserted in reversed(splices):
        text = text[:start] + inserted + text[start + removed :]
    return text
