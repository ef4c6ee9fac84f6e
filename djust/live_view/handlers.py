"""The handlers of a view, and how what a browser sends becomes their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from djust.decorators import MARK
from djust.live_view.coercion import Coercer, coercer_for
from djust.live_view.errors import InvalidEvent

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Handler:
    """A decorated method of a view class."""

    name: str
    is_async: bool
    #: What it takes by position, in order, with what converts each.
    positional: Mapping[str, Coercer | None]
    #: What it takes by name.
    named: Mapping[str, Coercer | None]
    required: frozenset[str]
    takes_more_args: bool
    takes_more_names: bool

    def bind(self, args: Sequence[Any], params: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments for a call. Names that the handler does not take are left out.

        Raises:
            InvalidEvent: There are too many or too few, or one cannot be converted.
        """
        names = list(self.positional)
        if len(args) > len(names) and not self.takes_more_args:
            raise InvalidEvent(f"{self.name} takes {len(names)} arguments, not {len(args)}.")
        by_position = [
            self._convert(names[i], self.positional[names[i]], value) if i < len(names) else value
            for i, value in enumerate(args)
        ]
        taken = set(names[: len(args)])
        by_name = {
            name: self._convert(name, self.named.get(name), value)
            for name, value in params.items()
            if name not in taken and (name in self.named or (self.takes_more_names and name.isidentifier()))
        }
        missing = self.required - taken - by_name.keys()
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
    _, *parameters = inspect.signature(function).parameters.values()
    hints = _hints(function) if getattr(function, MARK) else {}
    coercers = {p.name: coercer_for(hints.get(p.name)) for p in parameters}
    kinds = {p.kind for p in parameters}
    return Handler(
        name=name,
        is_async=inspect.iscoroutinefunction(function),
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
        takes_more_args=inspect.Parameter.VAR_POSITIONAL in kinds,
        takes_more_names=inspect.Parameter.VAR_KEYWORD in kinds,
    )


def _hints(function: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(function)
    except NameError:
        # A hint that only a type checker can see converts nothing.
        return {}
