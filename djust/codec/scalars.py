"""Scalars that MessagePack does not have: the code of each type, how it is written and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

MAX_INT_BITS = 4096
MAX_DECIMAL_CHARACTERS = 4096

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}", re.ASCII)


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


#: For each type its code and what writes a value of it. Writing raises one of ``DUMP_ERRORS``.
DUMP: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    int: (1, _dump_int),
    Decimal: (2, _dump_decimal),
    UUID: (3, lambda value: value.bytes),
    datetime: (4, _dump_moment),
    date: (5, lambda value: value.isoformat().encode()),
    time: (6, _dump_moment),
    timedelta: (7, _dump_timedelta),
}
#: For each code what reads a value of that type.
LOAD: dict[int, Callable[[bytes], Any]] = {
    1: _load_int,
    2: _load_decimal,
    3: _load_uuid,
    4: partial(_load_moment, datetime),
    5: _load_date,
    6: partial(_load_moment, time),
    7: _load_timedelta,
}
#: ``OverflowError`` says what is too large.
DUMP_ERRORS = (ArithmeticError, LookupError, TypeError, ValueError)
