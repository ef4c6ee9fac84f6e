"""Values from a browser become what a type hint asks for, or are refused."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal, Optional, Union
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djust.live_view.coercion import coercer_for

REFUSED = (ValueError, TypeError, ArithmeticError)
HUGE = 10**400


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


SIMPLE: list[tuple[Any, Any, Any]] = [
    (str, "a", "a"),
    (str, "", ""),
    (str, None, ""),
    (str, 3, "3"),
    (str, True, "true"),
    (str, False, "false"),
    (int, "3", 3),
    (int, " -3 ", -3),
    (int, 3, 3),
    (int, 3.0, 3),
    (float, "3.5", 3.5),
    (float, 3, 3.0),
    (float, "1e3", 1000.0),
    (bool, True, True),
    (bool, "On", True),
    (bool, "1", True),
    (bool, "yes", True),
    (bool, "off", False),
    (bool, "", False),
    (bool, None, False),
    (bool, 0, False),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, 3, Decimal(3)),
    (Decimal, 0.1, Decimal("0.1")),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678123456781234567812345678")),
    (date, "2030-12-31", date(2030, 12, 31)),
    (datetime, "2030-12-31T23:59", datetime(2030, 12, 31, 23, 59)),
    (time, "23:59", time(23, 59)),
    (Colour, "red", Colour.RED),
    (Level, "2", Level.HIGH),
    (Level, 2, Level.HIGH),
    (Literal["a", 3], "a", "a"),
    (Literal["a", 3], "3", 3),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, int], {"a": 1}, {"a": 1}),
]


@pytest.mark.parametrize(("hint", "value", "expected"), SIMPLE)
def test_a_value_becomes_what_the_hint_says(hint: Any, value: Any, expected: Any) -> None:
    coercer = coercer_for(hint)
    assert coercer is not None
    found = coercer(value)
    assert found == expected
    assert type(found) is type(expected)


BAD: list[tuple[Any, list[Any]]] = [
    (str, [[], {}, [1], {"a": 1}]),
    (int, ["", "a", "3.5", 3.5, "0x10", None, True, False, [], {}, "9" * 5_000, math.inf, math.nan]),
    (float, ["", "a", None, True, [], {}, HUGE, "nan", "-NaN", "inf", "Infinity", "1e999"]),
    (bool, ["maybe", 2, -1, [], {}, "2", 0.5]),
    (Decimal, ["", "a", None, True, [], {}, "NaN", "sNaN", "Infinity", "-inf"]),
    (UUID, ["", "a", None, 3, 1.5, [], {}, "g" * 32]),
    (date, ["", "a", "2030-13-01", "2030-02-30", None, 3, [], {}]),
    (datetime, ["", "a", "2030-12-31T25:00", None, 3, [], {}]),
    (time, ["", "a", "24:01", None, 3, [], {}]),
    (Colour, ["green", "RED", "", None, 1, [], {}]),
    (Level, ["3", 0, "LOW", None, [], {}]),
    (Literal["a", 3], ["b", "", None, 4, [], {}]),
    (dict, ["", "a", 3, None, [], True]),
]


@pytest.mark.parametrize(("hint", "values"), BAD)
def test_what_does_not_fit_is_refused(hint: Any, values: list[Any]) -> None:
    coercer = coercer_for(hint)
    assert coercer is not None
    assert coercer.expected
    for value in values:
        with pytest.raises(REFUSED):
            print(f"{value!r:.50} became {coercer(value)!r:.50}")


@pytest.mark.parametrize("hint", [Optional[int], int | None, Union[None, int]])  # noqa: UP007, UP045 - people write them
def test_an_optional_value_may_be_missing(hint: Any) -> None:
    coercer = coercer_for(hint)
    assert coercer is not None
    assert [coercer(value) for value in ("3", None, "")] == [3, None, None]
    assert coercer.expected == "a whole number or nothing"
    with pytest.raises(REFUSED):
        coercer("a")


def test_an_optional_text_may_be_empty() -> None:
    coercer = coercer_for(str | None)
    assert coercer is not None
    assert coercer("") == ""
    assert coercer(None) is None


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (list, "a, b", ["a", "b"]),
        (list, "", []),
        (list, [1, "b"], [1, "b"]),
        (list, 3, [3]),
        (list[int], "1,2", [1, 2]),
        (list[int], ["1", 2], [1, 2]),
        (set[str], ["a", "a"], {"a"}),
        (frozenset[int], "1,1", frozenset({1})),
        (tuple[int, ...], "1,2,3", (1, 2, 3)),
        (tuple[int, str], ["1", "2"], (1, "2")),
        (tuple, [1], (1,)),
        (tuple[()], [1], (1,)),
        (list[list[int]], [["1"], "2,3"], [[1], [2, 3]]),
        (list[int] | None, "", None),
    ],
)
def test_a_collection_is_made_of_a_list_or_of_commas(hint: Any, value: Any, expected: Any) -> None:
    coercer = coercer_for(hint)
    assert coercer is not None
    assert coercer(value) == expected


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (list[int], ["a"]),
        (list[int], [[1]]),
        (list[int], {"a": 1}),
        (set[Any], [{}]),
        (tuple[int, str], ["1"]),
        (tuple[int, str], ["1", "2", "3"]),
    ],
)
def test_a_collection_of_something_else_is_refused(hint: Any, value: Any) -> None:
    coercer = coercer_for(hint)
    assert coercer is not None
    with pytest.raises(REFUSED):
        coercer(value)


@pytest.mark.parametrize("hint", [None, Any, object, int | str, bytes, type("Mine", (), {})])
def test_other_hints_pass_a_value_on(hint: Any) -> None:
    assert coercer_for(hint) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
HINTS = [hint for hint, _ in BAD] + [list[int], set[str], tuple[int, str], int | None, list[dict[str, Any]]]


@pytest.mark.parametrize("hint", HINTS)
@settings(deadline=None)
@given(value=JSON)
def test_whatever_comes_is_converted_or_refused(hint: Any, value: Any) -> None:
    coercer = coercer_for(hint)
    assert coercer is not None
    with suppress(REFUSED):
        coercer(value)
