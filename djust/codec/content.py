"""A state as MessagePack.

MessagePack has None, bool, int of 64 bits, float, str, bytes, list and dict. Other scalars are extension values. A
tuple or set is an array whose first element is an empty extension value that says so: this keeps the depth of a state,
and with it the stack that reading and writing take, under the limit of one MessagePack document.
"""

from __future__ import annotations

from typing import Any

from msgpack import ExtType, UnpackException, packb, unpackb

from djust.codec.refusal import find_unsupported, holds_buffer
from djust.codec.scalars import DUMP, DUMP_ERRORS, LOAD
from djust.exceptions import UnsupportedType

UNPACK_ERRORS = (
    ArithmeticError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    UnpackException,
    ValueError,
)

#: What the mark of a collection says.
_COLLECTIONS: dict[int, type] = {16: tuple, 17: set, 18: frozenset}
_MARKS = {kind: ExtType(code, b"") for code, kind in _COLLECTIONS.items()}
#: How an empty extension value begins.
_MARK = b"\xc7\x00"


def pack(state: dict[str, Any]) -> bytes:
    """Return ``state`` as a MessagePack document, or raise ``UnsupportedType``."""
    content = _document(state) if type(state) is dict else None
    if content is None or (_may_hold_bytes(content) and holds_buffer(state)):
        raise UnsupportedType(find_unsupported(state))
    return content


def _may_hold_bytes(content: bytes) -> bool:
    # MessagePack takes bytearray and memoryview for bytes without asking. Each begins with one of these.
    return b"\xc4" in content or b"\xc5" in content or b"\xc6" in content


def _document(state: dict[str, Any], unicode_errors: str | None = None) -> bytes | None:
    try:
        # One list around the state, cut off again: writing allows one level more than reading does.
        document: bytes = packb([state], default=_convert, strict_types=True, unicode_errors=unicode_errors)
    except UnicodeEncodeError:
        return _document(state, "surrogatepass")
    except DUMP_ERRORS:
        return None
    return document[1:]


def _convert(value: Any) -> Any:
    kind = type(value)
    scalar = DUMP.get(kind)
    if scalar is not None:
        return ExtType(scalar[0], scalar[1](value))
    mark = _MARKS.get(kind)
    if mark is None:
        raise TypeError("unsupported")
    return [mark, *value]


def unpack(content: bytes) -> Any:
    """Return what a MessagePack document holds, or raise one of ``UNPACK_ERRORS``."""
    if b"\xc7" in content and _MARK in content:  # the first is the faster search
        return _unpack_collections(content)
    return unpackb(content, ext_hook=_load, strict_map_key=False, unicode_errors="surrogatepass", timestamp=3)


def _unpack_collections(content: bytes) -> Any:
    misplaced = 0

    def load(code: int, data: bytes) -> Any:
        nonlocal misplaced
        if data:
            return _load(code, data)
        misplaced += 1
        return _COLLECTIONS[code]

    def convert(items: list[Any]) -> Any:
        nonlocal misplaced
        if not items or type(items[0]) is not type:
            return items
        misplaced -= 1
        return items[0](items[1:])

    state = unpackb(
        content,
        ext_hook=load,
        list_hook=convert,
        strict_map_key=False,
        unicode_errors="surrogatepass",
        timestamp=3,
    )
    if misplaced:
        raise ValueError("a collection's mark outside of an array")
    return state


def _load(code: int, data: bytes) -> Any:
    return LOAD[code](data)
