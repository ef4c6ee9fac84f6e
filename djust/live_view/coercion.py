"""Values from a browser, as what a type hint asks for."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

#: Digits of a decimal number before its point, and zeros behind it.
_MOST_DIGITS = 1_000
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", ""})


@dataclass(frozen=True, slots=True)
class Coercer:
    """Converts one value. Raises ValueError, TypeError or ArithmeticError for one that does not fit."""

    #: What it must be, for the author of a template.
    expected: str
    convert: Callable[[Any], Any]

    def __call__(self, value: Any) -> Any:
        return self.convert(value)


def coercer_for(hint: Any) -> Coercer | None:
    """Return what converts a value for a type hint, or ``None`` if it is passed on as it came."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(arguments)
    if origin is dict:
        return _SIMPLE[dict]
    if origin is tuple and arguments and arguments[-1] is not ...:
        return _record(arguments)
    if origin in (list, tuple, set, frozenset) or hint in (list, tuple, set, frozenset):
        return _collection(origin or hint, arguments)
    if origin is Literal:
        return Coercer(f"one of {', '.join(map(str, arguments))}", lambda value: _one_of(arguments, value))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Coercer(f"one of {', '.join(str(m.value) for m in hint)}", lambda value: _member(hint, value))
    return None


def _optional(arguments: tuple[Any, ...]) -> Coercer | None:
    others = [argument for argument in arguments if argument is not type(None)]
    inner = coercer_for(others[0]) if len(others) == 1 else None
    if inner is None or len(others) == len(arguments):
        return inner
    keeps_empty = others[0] is str
    return Coercer(
        f"{inner.expected} or nothing",
        lambda value: None if value is None or (value == "" and not keeps_empty) else inner(value),
    )


def _collection(kind: type, arguments: tuple[Any, ...]) -> Coercer:
    inner = coercer_for(arguments[0]) if arguments else None

    def convert(value: Any) -> Any:
        return kind(inner(item) if inner else item for item in _items(value))

    return Coercer(f"a list of {inner.expected}" if inner else "a list", convert)


def _record(arguments: tuple[Any, ...]) -> Coercer:
    """Convert to a tuple that has a type for each of its items."""
    inner = [coercer_for(argument) for argument in arguments]

    def convert(value: Any) -> Any:
        pairs = zip(inner, _items(value), strict=True)
        return tuple(coercer(item) if coercer else item for coercer, item in pairs)

    return Coercer(f"a list of {len(arguments)}", convert)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")] if value else []
    return value if isinstance(value, list) else [value]


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        if value == choice or str(value) == str(choice):
            return choice
    raise ValueError


def _member(kind: type[Enum], value: Any) -> Enum:
    for member in kind:
        if value == member.value or str(value) == str(member.value):
            return member
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        raise TypeError
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _whole(value: Any) -> int:
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError
        return int(value)
    return int(_scalar(value))


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


def _number(value: Any) -> float:
    number = float(_scalar(value))
    # "nan" is smaller than nothing and larger than nothing: it would slip through every comparison of a handler.
    if not math.isfinite(number):
        raise ValueError
    return number


def _decimal(value: Any) -> Decimal:
    number = Decimal(str(_scalar(value)))
    # Written out, one of a few letters may fill the memory.
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError
    return number


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    return value


_SIMPLE: dict[Any, Coercer] = {
    str: Coercer("text", _text),
    int: Coercer("a whole number", _whole),
    float: Coercer("a number", _number),
    bool: Coercer("true or false", _boolean),
    Decimal: Coercer("a decimal number", _decimal),
    UUID: Coercer("a UUID", lambda value: UUID(str(_scalar(value)))),
    date: Coercer("a date as 2030-12-31", lambda value: date.fromisoformat(str(_scalar(value)))),
    datetime: Coercer("a date and time in ISO format", lambda value: datetime.fromisoformat(str(_scalar(value)))),
    dict: Coercer("an object", _object),
    time: Coercer("a time as 23:59", lambda value: time.fromisoformat(str(_scalar(value)))),
}
