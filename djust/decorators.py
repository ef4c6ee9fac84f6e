"""What marks the methods of a LiveView that a browser may call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

#: Set on a decorated function: whether its parameters are coerced by their type hints.
MARK = "_djust_event_handler"

F = TypeVar("F", bound=Callable[..., Any])


@overload
def event_handler(function: F) -> F: ...
@overload
def event_handler(*, description: str = "", coerce_types: bool = True) -> Callable[[F], F]: ...
def event_handler(
    function: F | None = None, *, description: str = "", coerce_types: bool = True
) -> F | Callable[[F], F]:
    """Let the browser call this method. Nothing else of a view can be called from outside.

    Works with and without parentheses, on sync and async methods. The decorator must be the outermost one.

    Args:
        function: The method, where the decorator stands without parentheses.
        description: What it does, for readers; it becomes the docstring where there is none.
        coerce_types: Convert the parameters, which mostly arrive as text, by their type hints.

    Raises:
        TypeError: It decorates something that is no method.
    """

    def mark(decorated: F) -> F:
        if not inspect.isfunction(decorated):
            raise TypeError("event_handler decorates a method of a LiveView: @event_handler or @event_handler().")
        if not inspect.signature(decorated).parameters:
            raise TypeError(f"{decorated.__name__} takes no arguments: its first one is self, the LiveView.")
        setattr(decorated, MARK, coerce_types)
        if description and not decorated.__doc__:
            decorated.__doc__ = description
        return decorated

    return mark if function is None else mark(function)
