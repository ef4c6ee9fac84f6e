"""Messages from anywhere to the pages that subscribed to a topic."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.asyncio import async_unsafe

from djust.exceptions import InvalidArgument
from djust.state_backend.registry import get_backend

#: What the topics of broadcasts begin with among the notices of the store.
PREFIX = "b:"


def broadcast(topic: str, message: Any = None) -> None:
    """Let every page that subscribed to ``topic`` hear ``message`` in ``handle_broadcast``, on every server.

    Whoever has no open socket at this moment hears nothing: put what must not be missed where ``get_context_data``
    reads it.

    Args:
        topic: A text of 1 to 180 bytes.
        message: What JSON can say.

    Raises:
        InvalidArgument: The message is no JSON or larger than 64 kB.
        BackendUnavailable: The store cannot be reached.
        SynchronousOnlyOperation: It is called where an event loop runs: use ``abroadcast``.
    """
    _publish(topic, message)


async def abroadcast(topic: str, message: Any = None) -> None:
    """See ``broadcast``."""
    await get_backend().apublish(PREFIX + topic, _dump(message))


@async_unsafe("You cannot call broadcast() where an event loop runs: use await abroadcast().")
def _publish(topic: str, message: Any) -> None:
    get_backend().publish(PREFIX + topic, _dump(message))


def _dump(message: Any) -> bytes:
    try:
        return json.dumps(message, cls=DjangoJSONEncoder).encode()
    except (TypeError, ValueError):
        raise InvalidArgument("A broadcast carries what JSON can say: text, numbers, lists, dicts, dates.") from None
