"""An ASGI application that says what reaches it: the headers of a request, or of a WebSocket's handshake."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[..., Awaitable[None]]
) -> None:
    """Answer with who serves, the visitor's address, the scheme, and the headers; a socket stays open."""
    if scope["type"] == "lifespan":
        return
    said = json.dumps(
        {
            "pid": os.getpid(),
            "client": scope["client"][0],
            "scheme": scope["scheme"],
            "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
        }
    )
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": said.encode()})
        return
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": said})
    while (await receive())["type"] != "websocket.disconnect":
        pass
