"""Arguments, checked the same way by every backend."""

from __future__ import annotations

from typing import Any

from djust.conf import MAX_SECONDS
from djust.exceptions import InvalidArgument

#: The longest key, owner or label, in bytes of UTF-8.
MAX_NAME_BYTES = 512


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


def ttl_milliseconds(value: float) -> int:
    """Return a TTL in milliseconds: zero for never, at least one otherwise."""
    return 0 if value <= 0 else max(1, round(value * 1000))
