"""Django's messages on their way from a handler to the page that it redirects to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.messages.storage.base import Message
from django.core import signing

from djust.live_view.request import packed

CARRIED_HEADER = "X-Djust-Messages"
_SALT = "djust.live_view.messages"
_MAX_AGE_SECONDS = 60
_MAX_BYTES = 4_000


def carry(messages: Iterable[Message]) -> str | None:
    """Return messages as a signed text for a header, or ``None`` if there are none. What is too much is left out."""
    left = [packed(message) for message in messages]
    while left:
        text = signing.dumps(left, salt=_SALT, compress=True)
        if len(text) <= _MAX_BYTES:
            return text
        left.pop()
    return None


def carried_messages(text: str | None) -> list[list[Any]]:
    """Return the messages that ``carry`` signed less than a minute ago, each as by ``packed``."""
    if not text:
        return []
    try:
        found: list[list[Any]] = signing.loads(text, salt=_SALT, max_age=_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return []
    return found
