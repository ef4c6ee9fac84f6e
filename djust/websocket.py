"""What a project mounts at ``ws/live/``, inside Channels' ``AuthMiddlewareStack``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from channels.consumer import AsyncConsumer

from djust.live_view.connection import Send
from djust.live_view.socket import LiveSocket

Receive = Callable[[], Awaitable[dict[str, Any]]]


class LiveViewConsumer(AsyncConsumer):  # type: ignore[misc]
    """Connects a socket with the page that its browser shows. It needs no channel layer."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one socket until it is closed.

        The loop stands in for the one of Channels, which waits for a channel layer too and starts a task for each
        message.
        """
        socket = LiveSocket(scope, send)
        message = await receive()
        code: int | None = None
        try:
            await socket.open()
            while message["type"] != "websocket.disconnect":
                message = await receive()
                if message["type"] == "websocket.receive":
                    await socket.receive(message.get("text"))
            code = message.get("code")
        finally:
            await socket.disconnected(code)
            await socket.finished()
