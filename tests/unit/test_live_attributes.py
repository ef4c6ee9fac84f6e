"""What is the state of a view, and when two releases of one have other fields."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils.functional import cached_property as django_cached_property

from djust import LiveView, event_handler
from djust.live_view.attributes import explain, forget_computed, public_attributes, restore, shape_of
from djust.live_view.errors import PageStale


class Shop(LiveView):
    template_name = "shop.html"
    default = 3
    changed = 4

    def __init__(self, **configuration: Any) -> None:
        super().__init__(**configuration)
        self._begun = True

    def mount(self, request: Any, **kwargs: Any) -> None:
        self.changed = 5
        self.items = [1]
        self._hidden = 1
        self.__private = 2

    @property
    def total(self) -> int:
        return sum(self.items)

    @cached_property
    def expensive(self) -> object:
        return object()

    @django_cached_property
    def expensive_too(self) -> object:
        return object()


def mounted(view: Any) -> Any:
    view.setup(SimpleNamespace(method="GET"), 1, pk=2)
    view.mount(view.request)
    return view


def test_the_public_attributes_of_the_instance_are_the_state() -> None:
    view = mounted(Shop())
    assert public_attributes(view) == {"changed": 5, "items": [1]}


def test_what_is_computed_is_no_state() -> None:
    view = mounted(Shop())
    assert view.total == 1
    assert view.expensive
    assert view.expensive_too
    assert public_attributes(view) == {"changed": 5, "items": [1]}
    first = view.expensive
    assert view.expensive is first
    forget_computed(view)
    assert view.expensive is not first
    assert public_attributes(view) == {"changed": 5, "items": [1]}


def test_what_as_view_was_given_is_no_state() -> None:
    view = mounted(Shop(default=7, template_name="other.html"))
    assert view.default == 7
    assert public_attributes(view) == {"changed": 5, "items": [1]}


def test_a_class_default_is_state_once_it_is_set() -> None:
    view = mounted(Shop())
    view.default += 1
    assert public_attributes(view)["default"] == 4
    fresh = mounted(Shop())
    assert fresh.default == 3


def test_restoring_gives_what_was_stored_and_nothing_else() -> None:
    view = mounted(Shop())
    view.default = 9
    restore(view, {"items": [2, 3], "_live": {"shape": "x"}})
    assert public_attributes(view) == {"items": [2, 3]}
    assert (view.default, view.changed, view.total) == (3, 4, 5)
    assert not hasattr(view, "_live")
    assert view._hidden == 1


@pytest.mark.parametrize("name", ["total", "expensive", "expensive_too"])
def test_what_is_computed_by_this_release_makes_a_page_stale(name: str) -> None:
    with pytest.raises(PageStale):
        restore(Shop(), {"items": [], name: 3})


# Errors


class Reason:
    pass


@pytest.mark.parametrize(
    ("state", "where", "advice"),
    [
        ({"fine": 1, "rows": Reason()}, "Shop.rows: Reason cannot be stored", "convert it to a supported type"),
        ({"rows": [1, {"a": Reason()}]}, "Shop.rows[1]['a']: Reason", "an id for example"),
        ({"rows": {1, Reason()}}, "an element of Shop.rows: Reason", "leading underscore"),
        ({"rows": lambda: 3}, "Shop.rows: function", "get_context_data()"),
    ],
)
def test_an_attribute_that_cannot_be_stored_is_named(state: dict[str, Any], where: str, advice: str) -> None:
    text = explain(Shop(), state)
    assert text.startswith(where)
    assert advice in text


def test_an_attribute_that_holds_itself_is_named() -> None:
    rows: list[Any] = []
    rows.append(rows)
    assert "Shop" in explain(Shop(), {"fine": 1, "rows": rows})
    assert "contains itself" in explain(Shop(), {"fine": 1, "rows": rows})


# Shapes


def view_of(**methods: Any) -> Any:
    return type("View", (LiveView,), {"__module__": __name__, **methods})


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def mount_one(self: Any, request: Any) -> None:
    self.count = 1


def mount_one_otherwise(self: Any, request: Any) -> None:
    for number in range(3):
        self.count = number
    self._private = [item for item in self.rows if item]


def mount_two(self: Any, request: Any) -> None:
    self.count = self.other = 1


def mount_renamed(self: Any, request: Any) -> None:
    self.number = 1


def mount_from_argument(this: Any, count: Any) -> None:
    this.count = count


def mount_in_turn(self: Any, request: Any) -> None:
    self.count, self.other = 1, 2


def mount_annotated(self: Any, request: Any) -> None:
    self.count: int = 1
    self.other: list[int] = []


def mount_captured(self: Any, request: Any) -> None:
    self.count = self.other = 1
    self._later = lambda: self.count


def mount_for_another(self: Any, request: Any) -> None:
    self.count = 1
    request.other = 1


async def mount_later(self: Any, request: Any) -> None:
    self.count = 1


def add(self: Any) -> None:
    self.count += 1


def subtract(self: Any) -> None:
    if self.count:
        self.count -= 1


def forget(self: Any) -> None:
    self.other = None


ONE = shape_of(view_of(mount=mount_one))


@pytest.mark.parametrize(
    "methods",
    [
        {"mount": mount_one_otherwise},
        {"mount": mount_from_argument},
        {"mount": mount_for_another},
        {"mount": mount_later},
        {"mount": traced(mount_one)},
        {"mount": event_handler(mount_one)},
        {"setup_more": mount_one},
        {"mount": mount_one, "add": add},
        {"mount": mount_one, "add": subtract},
        {"mount": mount_one, "template_name": "other.html", "default": 3},
        {"mount": mount_one, "other": property(lambda self: 1)},
    ],
)
def test_the_same_fields_are_the_same_shape(methods: dict[str, Any]) -> None:
    assert shape_of(view_of(**methods)) == ONE


@pytest.mark.parametrize(
    "methods",
    [
        {},
        {"mount": mount_two},
        {"mount": mount_renamed},
        {"mount": mount_one, "forget": forget},
        {"mount": mount_one, "state_version": 2},
    ],
)
def test_other_fields_are_another_shape(methods: dict[str, Any]) -> None:
    assert shape_of(view_of(**methods)) != ONE


@pytest.mark.parametrize("mount", [mount_in_turn, mount_annotated, mount_captured])
def test_fields_are_found_however_they_are_assigned(mount: Any) -> None:
    assert shape_of(view_of(mount=mount)) == shape_of(view_of(mount=mount_two))


def test_fields_are_found_in_long_functions() -> None:
    body = "".join(f"    self.field{number} = 1\n" for number in range(400))
    names: dict[str, Any] = {}
    exec(f"def mount(self, request):\n{body}", names)
    renamed: dict[str, Any] = {}
    exec(f"def mount(self, request):\n{body.replace('field399 ', 'other ')}", renamed)
    assert shape_of(view_of(mount=names["mount"])) != shape_of(view_of(mount=renamed["mount"]))


def test_a_base_class_counts() -> None:
    base = view_of(mount=mount_one)
    assert shape_of(type("Derived", (base,), {"__module__": __name__})) == ONE
    assert shape_of(type("Derived", (base,), {"__module__": __name__, "forget": forget})) != ONE
