"""The wire: what a browser may send, how much of it, and the codes that close a socket. See docs/protocol.md."""

from __future__ import annotations

import json
import math
from enum import IntEnum
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from djust.live_view.errors import Refused

#: How many lists and objects may lie in each other in a frame.
MAX_DEPTH = 12
#: The largest number of an event: what JavaScript counts exactly.
MAX_NUMBER = 2**53 - 1
_TEXT_LIMIT = 512


class Close(IntEnum):
    """Why a socket was closed."""

    NORMAL = 1000
    FAILED = 1011
    RESTARTING = 1012
    TRY_LATER = 1013
    MALFORMED = 4400
    LOGGED_OUT = 4401
    FOREIGN_ORIGIN = 4403
    GONE = 4404
    NO_HANDLER = 4405
    TOKEN_REFUSED = 4406
    SILENT = 4408
    TOO_LARGE = 4413
    TOO_DEEP = 4414
    NOT_BINDABLE = 4417
    TOO_MANY = 4429


#: For each kind of frame its fields besides "t": name, type, whether it must be there.
_FIELDS: dict[str, dict[str, tuple[type | tuple[type, ...], bool]]] = {
    "join": {"token": (str, True), "client": (str, True), "uri": (str, False), "acked": (int, False)},
    "event": {"n": (int, True), "name": (str, True), "params": (dict, False), "args": (list, False)},
    "model": {"n": (int, True), "field": (str, True), "value": (object, True)},
    "url": {"n": (int, True), "uri": (str, True)},
    "ping": {},
    "leave": {},
}


#: Knows dates and decimals, too: authors push them.
_ENCODER = DjangoJSONEncoder(separators=(",", ":"), ensure_ascii=False)


def parse(text: str | None, max_bytes: int) -> dict[str, Any]:
    """Return a frame that a browser sent.

    Raises:
        Refused: It is too large, too deep, or no frame of the protocol.
    """
    if text is None:
        raise Refused(Close.MALFORMED, "A frame is text.")
    if len(text) > max_bytes or (not text.isascii() and len(text.encode(errors="replace")) > max_bytes):
        raise Refused(Close.TOO_LARGE, f"A frame has at most {max_bytes} bytes.")
    try:
        frame = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise Refused(Close.TOO_DEEP, f"A frame is at most {MAX_DEPTH} levels deep.") from None
    except ValueError:
        raise Refused(Close.MALFORMED, "A frame is a JSON object.") from None
    if not isinstance(frame, dict):
        raise Refused(Close.MALFORMED, "A frame is a JSON object.")
    _check_fields(frame)
    _check_values(frame)
    return frame


def dump(frame: dict[str, Any]) -> str:
    """Return a frame as it is sent."""
    return _ENCODER.encode(frame)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("The number is too large.")
    return number


def _check_fields(frame: dict[str, Any]) -> None:
    kind = frame.get("t")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise Refused(Close.MALFORMED, "This kind of frame is not known.")
    for name in frame:
        if name != "t" and name not in fields:
            raise Refused(Close.MALFORMED, f"A frame of the kind {kind} has no such field.")
    for name, (kinds, required) in fields.items():
        if name not in frame:
            if required:
                raise Refused(Close.MALFORMED, f"A frame of the kind {kind} needs the field {name}.")
        elif not isinstance(frame[name], kinds) or (kinds is int and isinstance(frame[name], bool)):
            raise Refused(Close.MALFORMED, f"The field {name} has a value of another type.")
    number = frame.get("n")
    if number is not None and not 0 < number <= MAX_NUMBER:
        raise Refused(Close.MALFORMED, "Events are numbered from 1 on.")
    if len(frame.get("client", "")) > _TEXT_LIMIT // 4:
        raise Refused(Close.MALFORMED, "The id of a client is shorter.")


def _check_values(frame: dict[str, Any]) -> None:
    """Refuse what is nested too deeply, and text that is no Unicode: half a surrogate pair can be sent nowhere."""
    level: list[Any] = [frame]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for value in level:
            items = (*value, *value.values()) if isinstance(value, dict) else value
            for item in items:
                if isinstance(item, str):
                    if not item.isascii():
                        _check_text(item)
                elif isinstance(item, (dict, list)):
                    inner.append(item)
        if not inner:
            return
        level = inner
    raise Refused(Close.TOO_DEEP, f"A frame is at most {MAX_DEPTH} levels deep.")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(Close.MALFORMED, "A text is no Unicode.") from None
