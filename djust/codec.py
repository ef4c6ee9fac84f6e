"""State to bytes and back: a versioned envelope around MessagePack, which can hold data and nothing that runs.

The envelope of format 1::

    1 byte    format version
    1 byte    flags; bit 0: the content is compressed
    4 bytes   CRC-32 of everything that follows, big endian
    4 bytes   only if compressed: length of the content before compression, big endian
    the rest  the content: MessagePack, as it is or as a zlib stream

MessagePack has None, bool, int of 64 bits, float, str, bytes, list and dict. Other scalars are extension values. A
tuple or set is an array whose first element is an empty extension value that says so, which keeps the depth of a
state, and with it the stack that reading and writing take, under the limit of one MessagePack document.

The checksum finds damage. It is no signature: whoever can write to the store can write any state.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache, partial
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from msgpack import ExtType, UnpackException, packb, unpackb

from djust.conf import Config
from djust.exceptions import PayloadCorrupt, PayloadTooNew, StateTooLarge, UnsupportedType
from djust.log import logger

FORMAT = 1
#: The first byte of a payload of ours stays below this, so that other data is told from a newer format.
_FORMAT_LIMIT = 16
_COMPRESSED = 0b1
_HEADER_BYTES = 6
_LENGTH_BYTES = 4
_COMPRESSION_LEVEL = 1

#: What one payload may unpack to, unless STATE_MAX_BYTES is larger: lowering that setting strands no session.
MIN_CONTENT_LIMIT = 16 * 1024 * 1024
MAX_INT_BITS = 4096
MAX_DECIMAL_CHARACTERS = 4096

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """Encodes and decodes the states of sessions. All sizes are in bytes, those of a state before compression."""

    #: Above this size the log says ``session_large``.
    warn_bytes: int
    #: Above this size a state is refused.
    max_bytes: int
    #: From this size on a state is compressed, where that makes it smaller.
    compress_bytes: int

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Build the codec that ``DJUST_CONFIG`` asks for."""
        return cls(
            warn_bytes=config.state_warn_bytes,
            max_bytes=config.state_max_bytes,
            compress_bytes=config.state_compress_bytes,
        )

    def encode(self, state: dict[str, Any]) -> bytes:
        """Return ``state`` as a payload.

        Args:
            state: A dict of None, bool, int, float, str, bytes, list, dict, tuple, set, frozenset, datetime, date,
                time, timedelta, Decimal and UUID. Subclasses of these are refused, because they would come back as
                another type. A time zone is kept by name if it is a ``ZoneInfo`` and as its offset otherwise.

        Raises:
            UnsupportedType: A value cannot be stored. The message says where it is, and not what it is.
            StateTooLarge: The encoded state is larger than ``max_bytes``.
        """
        content = _pack_state(state)
        size = len(content)
        if size > self.max_bytes:
            raise StateTooLarge(
                f"The encoded state has {size} bytes, more than STATE_MAX_BYTES = {self.max_bytes}."
                " Keep large data elsewhere and store a reference."
            )
        if size > self.warn_bytes:
            logger.warning("session_large", bytes=size, limit=self.warn_bytes)
        flags = 0
        if size >= self.compress_bytes:
            packed = size.to_bytes(_LENGTH_BYTES, "big") + zlib.compress(content, _COMPRESSION_LEVEL)
            if len(packed) < size:
                content, flags = packed, _COMPRESSED
        return b"%c%c%b%b" % (FORMAT, flags, zlib.crc32(content).to_bytes(4, "big"), content)

    def decode(self, body: bytes) -> dict[str, Any]:
        """Return the state in a payload.

        Raises:
            PayloadCorrupt: It is damaged, truncated or not ours.
            PayloadTooNew: A later release wrote it.
        """
        if not body or not 0 < body[0] < _FORMAT_LIMIT:
            raise PayloadCorrupt("The stored payload was not written by djust.")
        if body[0] != FORMAT:
            raise PayloadTooNew
        content = body[_HEADER_BYTES:]
        if len(body) <= _HEADER_BYTES or zlib.crc32(content) != int.from_bytes(body[2:_HEADER_BYTES], "big"):
            raise PayloadCorrupt("The stored payload is damaged or truncated: its checksum does not match.")
        flags = body[1]
        if flags & ~_COMPRESSED:
            raise PayloadTooNew
        limit = max(self.max_bytes, MIN_CONTENT_LIMIT)
        try:
            state = _unpack_state(_decompress(content, limit) if flags else _within(content, limit))
        except _UNPACK_ERRORS as error:
            reason = type(error).__name__
        else:
            if type(state) is dict:
                return state
            reason = f"it holds a {type(state).__name__} instead of a dict"
        raise PayloadCorrupt(f"The stored payload cannot be read: {reason}.")


# Scalars that MessagePack does not have: the type's code, how to write it and how to read it


def _dump_int(value: int) -> bytes:
    if value.bit_length() > MAX_INT_BITS:
        raise OverflowError(f"an int of more than {MAX_INT_BITS} bits")
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _load_int(data: bytes) -> int:
    if len(data) > MAX_INT_BITS // 8 + 1:
        raise ValueError("too many bits")
    return int.from_bytes(data, "big", signed=True)


def _dump_decimal(value: Decimal) -> bytes:
    text = str(value)
    if len(text) > MAX_DECIMAL_CHARACTERS:
        raise OverflowError(f"a Decimal of more than {MAX_DECIMAL_CHARACTERS} characters")
    return text.encode()


def _load_decimal(data: bytes) -> Decimal:
    if len(data) > MAX_DECIMAL_CHARACTERS:
        raise ValueError("too many characters")
    return Decimal(data.decode("ascii"))


def _dump_moment(value: datetime | time) -> bytes:
    """Return ISO 8601 and, after spaces, what that leaves out: the fold and the name of the zone."""
    zone = value.tzinfo
    if type(zone) is ZoneInfo and zone.key:
        _zone(zone.key)
        return f"{value.replace(tzinfo=None).isoformat()} {value.fold} {zone.key}".encode()
    return (f"{value.isoformat()} 1" if value.fold else value.isoformat()).encode()


def _load_moment(kind: type[datetime] | type[time], data: bytes) -> datetime | time:
    text, *rest = data.decode("ascii").split(" ", 2)
    value = kind.fromisoformat(text)
    if not rest:
        return value
    return value.replace(fold=int(rest[0]), tzinfo=_zone(rest[1]) if len(rest) > 1 else value.tzinfo)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    if not _ZONE_NAME.fullmatch(name):
        raise ValueError("not the name of a time zone")
    return ZoneInfo(name)


def _load_date(data: bytes) -> date:
    return date.fromisoformat(data.decode("ascii"))


def _dump_timedelta(value: timedelta) -> bytes:
    return b"%d %d %d" % (value.days, value.seconds, value.microseconds)


def _load_timedelta(data: bytes) -> timedelta:
    days, seconds, microseconds = map(int, data.split(b" ", 2))
    return timedelta(days, seconds, microseconds)


def _load_uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


_DUMP: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    int: (1, _dump_int),
    Decimal: (2, _dump_decimal),
    UUID: (3, lambda value: value.bytes),
    datetime: (4, _dump_moment),
    date: (5, lambda value: value.isoformat().encode()),
    time: (6, _dump_moment),
    timedelta: (7, _dump_timedelta),
}
_LOAD: dict[int, Callable[[bytes], Any]] = {
    1: _load_int,
    2: _load_decimal,
    3: _load_uuid,
    4: partial(_load_moment, datetime),
    5: _load_date,
    6: partial(_load_moment, time),
    7: _load_timedelta,
}

# Collections that MessagePack does not have: what the first element of their array says

_COLLECTIONS: dict[int, type] = {16: tuple, 17: set, 18: frozenset}
_MARKS = {kind: ExtType(code, b"") for code, kind in _COLLECTIONS.items()}
#: How an empty extension value begins.
_MARK = b"\xc7\x00"


def _pack_state(state: dict[str, Any]) -> bytes:
    content = _pack(state) if type(state) is dict else None
    if content is None or (_may_hold_bytes(content) and _holds_buffer(state)):
        raise UnsupportedType(_find_unsupported(state))
    return content


def _may_hold_bytes(content: bytes) -> bool:
    # MessagePack takes bytearray and memoryview for bytes without asking. Each begins with one of these.
    return b"\xc4" in content or b"\xc5" in content or b"\xc6" in content


def _pack(state: dict[str, Any], unicode_errors: str | None = None) -> bytes | None:
    try:
        # One list around the state, cut off again: writing allows one level more than reading does.
        document: bytes = packb([state], default=_pack_other, strict_types=True, unicode_errors=unicode_errors)
    except UnicodeEncodeError:
        return _pack(state, "surrogatepass")
    except _PACK_ERRORS:
        return None
    return document[1:]


def _pack_other(value: Any) -> Any:
    kind = type(value)
    scalar = _DUMP.get(kind)
    if scalar is not None:
        return ExtType(scalar[0], scalar[1](value))
    mark = _MARKS.get(kind)
    if mark is None:
        raise TypeError("unsupported")
    return [mark, *value]


def _unpack_state(content: bytes) -> Any:
    if _MARK in content:
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
    return _LOAD[code](data)


def _within(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise ValueError("too large")
    return content


def _decompress(content: bytes, limit: int) -> bytes:
    size = int.from_bytes(content[:_LENGTH_BYTES], "big")
    if not 0 < size <= limit:
        raise ValueError("too large")
    stream = zlib.decompressobj()
    raw = stream.decompress(memoryview(content)[_LENGTH_BYTES:], size)
    if not stream.eof and stream.decompress(stream.unconsumed_tail, 1):
        raise ValueError("longer than it says")
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise ValueError("not the length that it says")
    return raw


_PACK_ERRORS = (ArithmeticError, LookupError, TypeError, ValueError)
_UNPACK_ERRORS = (
    ArithmeticError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    UnpackException,
    ValueError,
    zlib.error,
)

# What cannot be stored, and where it is


def _holds_buffer(state: dict[str, Any]) -> bool:
    found: list[Any] = [state]
    for container in found:
        items = container
        if type(container) is dict:
            items = container.values()
            if not _JUST_TEXT.issuperset(map(type, container)):
                found.append(tuple(container))
        if _LOOK_CLOSER.isdisjoint(map(type, items)):
            continue
        for item in items:
            if type(item) in _BUFFERS:
                return True
            if type(item) in _CONTAINERS:
                found.append(item)
    return False


def _find_unsupported(state: Any) -> str:
    if type(state) is not dict:
        return f"A state must be a dict, not {type(state).__name__}."
    seen: set[int] = set()
    left: list[tuple[str, int, Any]] = [("state", 0, state)]
    while left:
        path, depth, value = left.pop()
        if type(value) in _CONTAINERS:
            if id(value) not in seen and depth < _MAX_DEPTH:
                seen.add(id(value))
                left.extend(reversed([(where, depth + 1, inner) for where, inner in _children(path, value)]))
        elif problem := _problem(value):
            return f"{path}: {problem}"
    return f"state: it contains itself or is nested more than {_MAX_DEPTH} levels deep."


def _children(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                yield f"a key of {path}", key
            yield f"{path}[{_shown(key)}]", item
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
    else:
        for item in value:
            yield f"an element of {path}", item


def _shown(key: Any) -> str:
    if type(key) is str:
        return repr(key if len(key) <= 40 else f"{key[:40]}...")
    if type(key) is int and key.bit_length() <= 64:
        return str(key)
    return f"<{type(key).__name__}>"


def _problem(value: Any) -> str | None:
    """Return why a value that is no container cannot be stored, or ``None`` if it can be."""
    kind = type(value)
    if kind in _DUMP:
        try:
            _DUMP[kind][1](value)
        except OverflowError as error:
            return f"{error} cannot be stored."
        except _PACK_ERRORS:
            return f"{kind.__name__} cannot be stored with this time zone."
        return None
    if kind in _NATIVE:
        return None
    return f"{kind.__name__} cannot be stored; {_advice(kind)}."


def _advice(kind: type) -> str:
    if issubclass(kind, Enum):
        return "use its value"
    if kind in _BUFFERS:
        return "use bytes(...)"
    for base in kind.__mro__:
        if base in _CONTAINERS or base in (int, float, str, bytes):
            return f"use {base.__name__}(...)"
        if base in _DUMP:
            return f"convert it to {base.__name__}"
    return "convert it to a supported type"


_MAX_DEPTH = 1023
_NATIVE = frozenset({type(None), bool, float, str, bytes})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
_BUFFERS = frozenset({bytearray, memoryview})
_LOOK_CLOSER = _CONTAINERS | _BUFFERS
_JUST_TEXT = frozenset({str})
