"""Which methods of a view a browser may call, and with what."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from djust import LiveView
from djust.decorators import event_handler
from djust.live_view.errors import InvalidEvent
from djust.live_view.handlers import Handler, handlers_of

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as people write them."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Base(LiveView):
    @event_handler
    def bare(self, number: int = 0) -> None: ...

    @event_handler()
    def called(self, number: int = 0) -> None: ...

    @event_handler(description="What it does")
    def described(self) -> None: ...

    @event_handler
    def overridden(self) -> None: ...

    @event_handler
    def overridden_again(self, number: int) -> None: ...

    def plain(self) -> None: ...

    @event_handler
    def _hidden(self) -> None: ...

    @event_handler
    def __dunder__(self) -> None: ...

    @property
    def attribute(self) -> int:
        raise AssertionError("Nobody may look.")


class Mixin:
    @event_handler
    def mixed_in(self) -> None: ...


class Mine(Mixin, Base):
    not_callable = 3

    def overridden(self) -> None: ...

    @event_handler
    def overridden_again(self, text: str) -> None: ...

    @event_handler
    async def later(self, number: int) -> None: ...

    @event_handler
    def mixed(self, a: int, /, b: int, *, c: bool = False) -> None: ...

    @event_handler
    def any_names(self, first: int, **others: int) -> None: ...

    @event_handler
    def any_names_by_position(self, first: int, /, **others: Any) -> None: ...

    @event_handler
    def any_arguments(self, first: int, *others: int) -> None: ...

    @event_handler(coerce_types=False)
    def raw(self, number: int) -> None: ...

    @event_handler
    def hinted(self, unknown: Unknown, number: int) -> None: ...

    @event_handler
    @traced
    def outside(self, number: int) -> None: ...

    @traced
    @event_handler
    def inside(self, number: int) -> None: ...

    @staticmethod
    @event_handler
    def static(number: int) -> None: ...


def handler(name: str) -> Handler:
    return handlers_of(Mine)[name]


def test_only_decorated_methods_are_handlers() -> None:
    assert set(handlers_of(Mine)) == {
        *(
            "bare",
            "called",
            "described",
            "overridden_again",
            "mixed_in",
            "later",
            "mixed",
            "any_names",
            "any_arguments",
        ),
        *("any_names_by_position", "raw", "hinted", "outside", "inside"),
    }
    assert set(handlers_of(Base)) == {"bare", "called", "described", "overridden", "overridden_again"}
    assert not handlers_of(LiveView)


@pytest.mark.parametrize("name", ["mount", "get_context_data", "as_view", "__class__", "__init__", "djust", "", "\0"])
def test_what_every_view_has_is_no_handler(name: str) -> None:
    assert name not in handlers_of(Mine)


def test_the_decorator_stays_out_of_the_way() -> None:
    assert Base.described.__doc__ == "What it does"
    assert Base().bare(3) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("decorate", [event_handler, event_handler(), event_handler(description="x")])
@pytest.mark.parametrize("wrong", [3, "text", property(lambda self: 3), staticmethod(lambda: 3), int])
def test_it_decorates_functions_alone(decorate: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match="event_handler decorates a method"):
        decorate(wrong)


def test_a_handler_without_self_is_told_at_once() -> None:
    with pytest.raises(TypeError, match="forgotten takes no arguments: its first one is self"):

        @event_handler
        def forgotten() -> None: ...


@pytest.mark.parametrize(
    ("name", "args", "params", "expected"),
    [
        ("bare", [], {}, ([], {})),
        ("bare", ["3"], {}, ([3], {})),
        ("bare", [], {"number": "3"}, ([], {"number": 3})),
        ("bare", ["3"], {"number": "4"}, ([3], {})),
        ("bare", [], {"unknown": "x", "value": "y", "self": 1, "_target": "z"}, ([], {})),
        ("overridden_again", [3], {}, (["3"], {})),
        ("mixed", ["1", "2"], {"c": "on"}, ([1, 2], {"c": True})),
        ("mixed", ["1"], {"b": "2", "a": "7"}, ([1], {"b": 2})),
        ("any_names", [], {"first": "1", "x": "2"}, ([], {"first": 1, "x": 2})),
        ("any_names", ["1"], {"first": "7", "x": 2}, ([1], {"x": 2})),
        ("any_names", [1], {"no name": 3, "": 3, "a-b": 3, "self": 3}, ([1], {})),
        ("any_names_by_position", [1], {"first": 7, "x": "2"}, ([1], {"first": 7, "x": "2"})),
        ("any_arguments", ["1", "2", "3"], {}, ([1, 2, 3], {})),
        ("raw", ["1"], {}, (["1"], {})),
        ("raw", [], {"number": [1]}, ([], {"number": [1]})),
        ("hinted", ["1", "2"], {}, (["1", 2], {})),
        ("outside", ["1"], {}, ([1], {})),
        ("inside", ["1"], {}, ([1], {})),
    ],
)
def test_arguments_are_bound_and_coerced(name: str, args: list[Any], params: dict[str, Any], expected: Any) -> None:
    bound = handler(name).bind(args, params)
    assert bound == expected
    # What is bound can be called.
    found = getattr(Mine(), name)(*bound[0], **bound[1])
    if found is not None:
        found.close()


@pytest.mark.parametrize(
    ("name", "args", "params", "message"),
    [
        ("bare", [1, 2], {}, "bare takes 1 arguments, not 2."),
        ("described", [1], {}, "described takes 0 arguments, not 1."),
        ("bare", ["x"], {}, "bare: number must be a whole number."),
        ("bare", [], {"number": {}}, "bare: number must be a whole number."),
        ("mixed", [], {}, "mixed needs a, b."),
        ("mixed", [], {"a": 1, "b": 2}, "mixed needs a."),
        ("any_names", [], {"x": 1}, "any_names needs first."),
        ("any_names", [1], {"x": "y"}, "any_names: x must be a whole number."),
        ("any_names_by_position", [], {"first": 1}, "any_names_by_position needs first."),
        ("any_arguments", ["1", "x"], {}, "any_arguments: argument 2 must be a whole number."),
        ("later", [], {}, "later needs number."),
    ],
)
def test_what_does_not_fit_is_told(name: str, args: list[Any], params: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        handler(name).bind(args, params)
    assert str(caught.value) == message
