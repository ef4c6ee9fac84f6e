"""One client for each package. They are built alike, and do what the load needs and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any, Protocol, Self

from websockets.asyncio.client import ClientConnection, connect

from djust.testing.live_client import LiveClient

_COUNT = re.compile(r'id="count">(\d+)<')
ROWS = 100


class Client(Protocol):
    """A page of a browser."""

    #: How many events it has sent.
    events: int
    #: The bytes of the answers to them, without the headers of frames.
    received_bytes: int

    @classmethod
    async def open(cls, url: str, view: str, compression: str | None) -> Self:
        """Open and join the view: ``"counter"`` or ``"list"``."""

    async def event(self) -> None:
        """Send the event of the view, and wait until it is answered."""

    async def drop(self) -> None:
        """Lose the connection."""

    async def again(self) -> None:
        """Connect again as the page that it was."""

    def count(self) -> int:
        """Return the count that the page shows."""


class OurClient:
    """Speaks our protocol, by the client that the package ships for tests."""

    __slots__ = ("_list", "_live", "events", "received_bytes")

    def __init__(self, live: LiveClient, is_list: bool) -> None:
        self.events = self.received_bytes = 0
        self._live = live
        self._list = is_list

    @classmethod
    async def open(cls, url: str, view: str, compression: str | None) -> Self:
        return cls(await LiveClient.open(url, f"/{view}/", compression=compression), view == "list")

    async def event(self) -> None:
        self.events += 1
        if self._list:
            answer = await self._live.event("vote", row=self.events % ROWS)
        else:
            answer = await self._live.event("increment")
        if answer["t"] != "update":
            raise RuntimeError(f"The server answered {answer}.")
        # As the server writes it: without spaces.
        self.received_bytes += len(json.dumps(answer, separators=(",", ":")))

    async def drop(self) -> None:
        await self._live.drop()

    async def again(self) -> None:
        await self._live.reconnect()

    def count(self) -> int:
        return _count(self._live.html)


class PeerClient:
    """Speaks the protocol of the published package: mount, then events, each of which is answered by patches."""

    __slots__ = ("_compression", "_connection", "_count", "_url", "_view", "events", "received_bytes")

    def __init__(self, url: str, view: str, compression: str | None) -> None:
        self.events = self.received_bytes = 0
        self._url = url
        self._view = view
        self._compression = compression
        self._count = 0
        self._connection: ClientConnection | None = None

    @classmethod
    async def open(cls, url: str, view: str, compression: str | None) -> Self:
        client = cls(url, view, compression)
        await client.again()
        return client

    async def event(self) -> None:
        self.events += 1
        event, params = ("vote", {"row": self.events % ROWS}) if self._view == "list" else ("increment", {})
        answer = await self._ask({"type": "event", "event": event, "params": params, "ref": self.events})
        if answer["type"] != "patch" or answer["ref"] != self.events:
            raise RuntimeError(f"The server answered {answer}.")
        self._count = int(answer["patches"][0]["text"])

    async def drop(self) -> None:
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def again(self) -> None:
        self._connection = await connect(
            f"ws{self._url.removeprefix('http')}/ws/live/",
            origin=self._url,  # type: ignore[arg-type]
            compression=self._compression,
            open_timeout=60,
            ping_interval=None,
            proxy=None,
            max_size=16 * 2**20,
        )
        await self._socket.recv()
        view = "live_site.views." + ("ListView" if self._view == "list" else "CounterView")
        mounted = await self._ask(
            {
                "type": "mount",
                "view": view,
                "params": {},
                "url": f"/{self._view}/",
                "has_prerendered": True,
                "client_timezone": "UTC",
            }
        )
        if mounted["type"] != "mount":
            raise RuntimeError(f"The server answered {mounted}.")
        self._count = _count(mounted["html"])

    def count(self) -> int:
        return self._count

    @property
    def _socket(self) -> ClientConnection:
        assert self._connection is not None
        return self._connection

    async def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        await self._socket.send(json.dumps(frame))
        text = await self._socket.recv()
        if frame["type"] == "event":
            self.received_bytes += len(text)
        answer: dict[str, Any] = json.loads(text)
        return answer


CLIENTS: dict[str, type[Client]] = {"ours": OurClient, "peer": PeerClient}


def _count(html: str) -> int:
    found = _COUNT.search(html)
    assert found is not None
    return int(found.group(1))
