"""What cannot be stored, and where in a state it is. Never what its value is."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from djust.codec.scalars import DUMP, DUMP_ERRORS

#: How many containers may lie in each other, the state itself included.
MAX_DEPTH = 1023
_NATIVE = frozenset({type(None), bool, float, str, bytes})
_CONTAINERS = frozenset({dict, list, tuple, set, frozenset})
_BUFFERS = frozenset({bytearray, memoryview})
_LOOK_CLOSER = _CONTAINERS | _BUFFERS
_JUST_TEXT = frozenset({str})


def holds_buffer(state: dict[str, Any]) -> bool:
    """Return whether a bytearray or memoryview is anywhere in ``state``, which must not contain itself."""
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


def find_unsupported(state: Any) -> str:
    """Return the reason why ``state`` was refused, with the first place where it holds."""
    if type(state) is not dict:
        return f"A state must be a dict, not {type(state).__name__}."
    seen: set[int] = set()
    left: list[tuple[str, int, Any]] = [("state", 0, state)]
    while left:
        path, depth, value = left.pop()
        if type(value) in _CONTAINERS:
            if id(value) not in seen and depth < MAX_DEPTH:
                seen.add(id(value))
                left.extend(reversed([(where, depth + 1, inner) for where, inner in _children(path, value)]))
        elif problem := _problem(value):
            return f"{path}: {problem}"
    return f"state: it contains itself or is nested more than {MAX_DEPTH} levels deep."


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
    if kind in DUMP:
        try:
            DUMP[kind][1](value)
        except OverflowError as error:
            return f"{error} cannot be stored."
        except DUMP_ERRORS:
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
        if base in DUMP:
            return f"convert it to {base.__name__}"
    return "convert it to a supported type"
