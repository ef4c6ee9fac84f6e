"""The handlers of a view, and how what a browser sends becomes their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, get_type_hints

from djust.decorators import MARK
from djust.live_view.coercion import Coercer, coercer_for
from djust.live_view.errors import InvalidEvent

#: What a hint raises that cannot be resolved while the program runs.
_UNRESOLVED = (NameError, AttributeError, TypeError, SyntaxError)
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Handler:
    """A decorated method of a view class."""

    name: str
    #: What it takes by position, in order, with what converts each.
    positional: Mapping[str, Coercer | None]
    #: What it takes by name.
    named: Mapping[str, Coercer | None]
    required: frozenset[str]
    takes_more_args: bool
    takes_more_names: bool
    #: What converts those that it takes by ``*args`` and by ``**kwargs``.
    more_args: Coercer | None
    more_names: Coercer | None
    #: What it calls the view, mostly "self".
    own_name: str

    def bind(self, args: Sequence[Any], params: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments for a call. Names that the handler does not take are left out.

        Raises:
            InvalidEvent: There are too many or too few, or one cannot be converted.
        """
        names = list(self.positional)
        if len(args) > len(names) and not self.takes_more_args:
            raise InvalidEvent(f"{self.name} takes {len(names)} arguments, not {len(args)}.")
        by_position = [
            self._convert(names[i], self.positional[names[i]], value)
            if i < len(names)
            else self._convert(f"argument {i + 1}", self.more_args, value)
            for i, value in enumerate(args)
        ]
        taken = set(names[: len(args)])
        by_name = {}
        for name, value in params.items():
            if name in self.named:
                if name not in taken:
                    by_name[name] = self._convert(name, self.named[name], value)
            elif self.takes_more_names and name.isidentifier() and name != self.own_name:
                by_name[name] = self._convert(name, self.more_names, value)
        missing = self.required - taken - (by_name.keys() & self.named.keys())
        if missing:
            raise InvalidEvent(f"{self.name} needs {', '.join(sorted(missing))}.")
        return by_position, by_name

    def _convert(self, name: str, coercer: Coercer | None, value: Any) -> Any:
        if coercer is None:
            return value
        try:
            return coercer(value)
        except (ValueError, TypeError, ArithmeticError):
            raise InvalidEvent(f"{self.name}: {name} must be {coercer.expected}.") from None


@cache
def handlers_of(view_class: Any) -> Mapping[str, Handler]:
    """Return the handlers of a view class by name. A method that overrides one is none unless it is decorated too."""
    found = {}
    for name in dir(view_class):
        function = inspect.getattr_static(view_class, name)
        if not name.startswith("_") and inspect.isfunction(function) and hasattr(function, MARK):
            found[name] = _describe(name, function)
    return found


def _describe(name: str, function: Any) -> Handler:
    own, *parameters = inspect.signature(function).parameters.values()
    if own.kind is inspect.Parameter.VAR_POSITIONAL:
        parameters.insert(0, own)
    hints = _hints(function) if getattr(function, MARK) else {}
    coercers = {p.name: coercer_for(hints.get(p.name)) for p in parameters}
    of_kind = {p.kind: coercers[p.name] for p in parameters}
    return Handler(
        name=name,
        positional={p.name: coercers[p.name] for p in parameters if p.kind in _BY_POSITION},
        named={
            p.name: coercers[p.name]
            for p in parameters
            if p.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        },
        required=frozenset(
            p.name
            for p in parameters
            if p.default is p.empty and p.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        ),
        takes_more_args=inspect.Parameter.VAR_POSITIONAL in of_kind,
        takes_more_names=inspect.Parameter.VAR_KEYWORD in of_kind,
        more_args=of_kind.get(inspect.Parameter.VAR_POSITIONAL),
        more_names=of_kind.get(inspect.Parameter.VAR_KEYWORD),
        own_name=own.name,
    )


def _hints(function: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(function)
    except _UNRESOLVED:
        pass
    # A hint that only a type checker can see converts nothing; the others do.
    inner = inspect.unwrap(function)
    hints: dict[str, Any] = {}
    for name, hint in inner.__annotations__.items():
        with suppress(*_UNRESOLVED):
            hints.update(get_type_hints(SimpleNamespace(__annotations__={name: hint}), inner.__globals__))
    return hints
