"""Arguments, checked the same way by every backend."""

from __future__ import annotations

from typing import Any

from djust.conf import MAX_SECONDS
from djust.exceptions import InvalidArgument
from djust.state_backend.records import Notice

#: The longest key, owner or label, in bytes of UTF-8.
MAX_NAME_BYTES = 512
#: The longest topic of a notice, in bytes of UTF-8, and its longest message.
MAX_TOPIC_BYTES = 200
MAX_MESSAGE_BYTES = 64 * 1024


def check_name(kind: str, value: str | int) -> str:
    """Return ``value`` as text, or raise ``InvalidArgument``. ``kind``: ``"key"``, ``"owner"`` or ``"label"``."""
    if isinstance(value, int) and not isinstance(value, bool) and kind == "owner":
        value = str(value)
    if not isinstance(value, str):
        raise InvalidArgument(f"The {kind} of a session must be text, not {type(value).__name__}.")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"The {kind} of a session holds a lone surrogate, which is no text.") from error
    if not 0 < size <= MAX_NAME_BYTES:
        raise InvalidArgument(f"The {kind} of a session must have 1 to {MAX_NAME_BYTES} bytes, not {size}.")
    return value


def check_seconds(kind: str, value: Any) -> float:
    """Return ``value`` if it is a number of seconds up to a century, or raise ``InvalidArgument``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -MAX_SECONDS <= value <= MAX_SECONDS:
        raise InvalidArgument(f"{kind} must be a number of seconds, at most a century, not {repr(value)[:40]}.")
    return value


def check_version(value: Any) -> int | None:
    """Return ``value`` if it can be a version, or raise ``InvalidArgument``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InvalidArgument(f"expected_version must be the version of a session, 0 or None, not {value!r}.")
    return value


def check_notice(topic: str, message: bytes) -> Notice:
    """Return the notice, or raise ``InvalidArgument``."""
    if not isinstance(topic, str):
        raise InvalidArgument(f"The topic of a notice must be text, not {type(topic).__name__}.")
    try:
        size = len(topic.encode())
    except UnicodeEncodeError as error:
        raise InvalidArgument("The topic of a notice holds a lone surrogate, which is no text.") from error
    if not 0 < size <= MAX_TOPIC_BYTES:
        raise InvalidArgument(f"The topic of a notice must have 1 to {MAX_TOPIC_BYTES} bytes, not {size}.")
    if not isinstance(message, bytes):
        raise InvalidArgument(f"The message of a notice must be bytes, not {type(message).__name__}.")
    if len(message) > MAX_MESSAGE_BYTES:
        raise InvalidArgument(
            f"The message of a notice has {len(message)} bytes; at most {MAX_MESSAGE_BYTES} (64 kB) fit. "
            "Store what is large, and publish where it is."
        )
    return Notice(topic, message)


def ttl_milliseconds(value: float) -> int:
    """Return a TTL in milliseconds: zero for never, at least one otherwise."""
    return 0 if value <= 0 else max(1, round(value * 1000))
