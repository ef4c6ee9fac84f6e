"""What goes in comes out equal and of the same type; what cannot is refused with the place where it is."""

from __future__ import annotations

import enum
import math
from collections import Counter, OrderedDict, namedtuple
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from djust.codec import MAX_INT_BITS, Codec
from djust.conf import Config
from djust.exceptions import StateTooLarge, UnsupportedType

CODEC = Codec(warn_bytes=100_000, max_bytes=1_000_000, compress_bytes=2_000)
BERLIN = ZoneInfo("Europe/Berlin")


def roundtrip(value: Any) -> Any:
    return CODEC.decode(CODEC.encode({"value": value}))["value"]


def assert_same(left: Any, right: Any) -> None:
    """Assert that both are equal and of the same types all the way down; NaN equals NaN here."""
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert len(left) == len(right)
        for (left_key, left_item), (right_key, right_item) in zip(left.items(), right.items(), strict=True):
            assert_same(left_key, right_key)
            assert_same(left_item, right_item)
    elif isinstance(left, (list, tuple)):
        assert len(left) == len(right)
        for left_item, right_item in zip(left, right, strict=True):
            assert_same(left_item, right_item)
    elif isinstance(left, (set, frozenset)):
        assert left == right
        assert Counter(map(type, left)) == Counter(map(type, right))
    elif isinstance(left, float):
        assert left == right or (math.isnan(left) and math.isnan(right))
        assert math.copysign(1, left) == math.copysign(1, right) or math.isnan(left)
    elif isinstance(left, (datetime, time)):
        assert left.replace(tzinfo=None) == right.replace(tzinfo=None)
        assert left.fold == right.fold
        assert left.utcoffset() == right.utcoffset()
        assert getattr(left.tzinfo, "key", None) == getattr(right.tzinfo, "key", None)
    elif isinstance(left, Decimal):
        assert left.as_tuple() == right.as_tuple()
    else:
        assert left == right


zones = (
    st.none()
    | st.just(UTC)
    | st.timezones()
    | st.builds(timezone, st.integers(-86_399, 86_399).map(lambda seconds: timedelta(seconds=seconds)))
)
fixed_offsets = zones.filter(lambda zone: not isinstance(zone, ZoneInfo))
text = st.text(st.characters(exclude_categories=())) | st.text()
hashable_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**MAX_INT_BITS) + 1, 2**MAX_INT_BITS - 1),
    st.floats(allow_nan=False),
    text,
    st.binary(),
    st.datetimes(timezones=zones, allow_imaginary=True),
    st.dates(),
    st.times(timezones=zones),
    st.timedeltas(),
    st.decimals(allow_nan=False),
    st.uuids(),
)
scalars = hashable_scalars | st.floats() | st.decimals()
hashables = st.recursive(
    hashable_scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(hashables, inner, max_size=5),
        st.sets(hashables, max_size=5),
        st.frozensets(hashables, max_size=5),
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(hashables, values, max_size=6))
def test_whatever_goes_in_comes_out_equal_and_of_the_same_type(state: dict[Any, Any]) -> None:
    assert_same(CODEC.decode(CODEC.encode(state)), state)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        2**MAX_INT_BITS - 1,
        -(2**MAX_INT_BITS) + 1,
        -0.0,
        math.inf,
        -math.inf,
        math.nan,
        "\ud800 alone",
        "\0",
        "ąćę\U0001f600",
        b"",
        bytes(range(256)),
        Decimal("-0.00"),
        Decimal("1E+999999999999999999"),
        Decimal("sNaN123"),
        Decimal("-Infinity"),
        Decimal(10) ** 40 + 1,
        (),
        ((),),
        ((1, (2, [3, (4,)])),),
        [(), [], {}, set(), frozenset()],
        [[1], (1,), [(1,)]],
        {frozenset({(1, frozenset())})},
        {(1, 2): {None: {True: 1}, b"k": {1.5: 2}}},
        {1: "int", "1": "str", b"1": "bytes"},
        datetime.min,
        datetime.max,
        datetime(2024, 10, 27, 2, 30, fold=1),
        time(2, 30, fold=1),
        time(2, 30, 1, 5, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        time(2, 30, tzinfo=BERLIN),
        date.min,
        date.max,
        timedelta.min,
        timedelta.max,
        timedelta(microseconds=-1),
        UUID(int=0),
    ],
    ids=repr,
)
def test_values_at_the_edge(value: Any) -> None:
    assert_same(roundtrip(value), value)


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("zone", [UTC, BERLIN, ZoneInfo("UTC"), ZoneInfo("America/Argentina/Buenos_Aires")], ids=str)
def test_an_aware_datetime_keeps_instant_offset_zone_and_fold(zone: tzinfo, fold: int) -> None:
    moment = datetime(2024, 10, 27, 2, 30, 15, 999_999, tzinfo=zone, fold=fold)
    result = roundtrip(moment)
    assert result.timestamp() == moment.timestamp()
    assert result.tzinfo is zone
    assert_same(result, moment)


def test_any_other_time_zone_is_kept_as_its_offset() -> None:
    class Odd(tzinfo):
        def utcoffset(self, when: datetime | None) -> timedelta:
            return timedelta(hours=5, minutes=45, seconds=1)

        def dst(self, when: datetime | None) -> None:
            return None

        def tzname(self, when: datetime | None) -> str:
            return "ODD"

    moment = datetime(2024, 1, 1, tzinfo=Odd())
    result = roundtrip(moment)
    assert result == moment
    assert result.tzinfo == timezone(timedelta(hours=5, minutes=45, seconds=1))


def test_one_object_in_two_places_is_stored_twice() -> None:
    shared = [1]
    assert roundtrip([shared, shared]) == [[1], [1]]


def test_the_deepest_state_that_can_be_written_can_be_read() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = 1
        for level in range(levels):
            value = (value,) if level % 2 else [value]
        return {"value": value}

    deepest = nested(1022)
    value, result = deepest["value"], CODEC.decode(CODEC.encode(deepest))["value"]
    while isinstance(value, (list, tuple)):
        assert type(result) is type(value)
        value, result = value[0], result[0]
    assert result == 1
    for levels in (1023, 1024, 1025, 100_000):
        with pytest.raises(UnsupportedType, match="1023 levels"):
            CODEC.encode(nested(levels))


Point = namedtuple("Point", "x y")


class Level(enum.IntEnum):
    HIGH = 1


class Moment(datetime):
    pass


class Missing(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        raise LookupError("secret-canary")


SECRET = "secret-canary"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"cart": [1, 2, SafeString(SECRET)]}, "state['cart'][2]: SafeString cannot be stored; use str(...)."),
        ({"a": {"b": OrderedDict(x=SECRET)}}, "state['a']['b']: OrderedDict cannot be stored; use dict(...)."),
        ({"p": Point(SECRET, 2)}, "state['p']: Point cannot be stored; use tuple(...)."),
        ({1: Level.HIGH}, "state[1]: Level cannot be stored; use its value."),
        ({"d": Moment(2024, 1, 1)}, "state['d']: Moment cannot be stored; convert it to datetime."),
        ({"b": bytearray(SECRET.encode())}, "state['b']: bytearray cannot be stored; use bytes(...)."),
        ({"b": [(memoryview(b"x" * 300),)]}, "state['b'][0][0]: memoryview cannot be stored; use bytes(...)."),
        ({memoryview(b"x"): 1}, "a key of state: memoryview cannot be stored; use bytes(...)."),
        ({"s": {1, (Level.HIGH,)}}, "an element of state['s'][0]: Level cannot be stored; use its value."),
        ({(1, SafeString(SECRET)): 1}, "a key of state[1]: SafeString cannot be stored; use str(...)."),
        ({"c": 1j}, "state['c']: complex cannot be stored; convert it to a supported type."),
        ({"f": print}, "state['f']: builtin_function_or_method cannot be stored; convert it to a supported type."),
        (
            {"first": print, "last": object()},
            "state['first']: builtin_function_or_method cannot be stored; convert it to a supported type.",
        ),
        ({"l": gettext_lazy("x")}, "state['l']: __proxy__ cannot be stored; convert it to a supported type."),
        ({"n": -(2**MAX_INT_BITS)}, "state['n']: an int of more than 4096 bits cannot be stored."),
        ({"n": Decimal("1" * 5000)}, "state['n']: a Decimal of more than 4096 characters cannot be stored."),
        ({"z": datetime(2024, 1, 1, tzinfo=Missing())}, "state['z']: datetime cannot be stored with this time zone."),
        ({"k" * 100: object()}, f"state['{'k' * 40}...']: object cannot be stored; convert it to a supported type."),
        ({10**5000: 1}, "a key of state: an int of more than 4096 bits cannot be stored."),
        ([SECRET], "A state must be a dict, not list."),
        (OrderedDict(), "A state must be a dict, not OrderedDict."),
        (None, "A state must be a dict, not NoneType."),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_other_types_are_refused_by_place_and_not_by_value(state: Any, message: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        CODEC.encode(state)
    assert str(caught.value) == message
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def cycle_of_lists() -> Any:
    value: list[Any] = []
    value.append([value, value])
    return value


def cycle_of_dicts() -> Any:
    value: dict[str, Any] = {}
    value["self"] = ({"again": value},)
    return value


@pytest.mark.parametrize("make", [cycle_of_lists, cycle_of_dicts])
def test_a_state_that_contains_itself_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(UnsupportedType, match="contains itself"):
        CODEC.encode({"loop": make()})


def test_a_large_state_is_logged_and_a_larger_one_refused(caplog: pytest.LogCaptureFixture) -> None:
    codec = Codec(warn_bytes=100, max_bytes=1_000, compress_bytes=10)
    codec.encode({"v": "x" * 50})
    assert not caplog.records
    codec.encode({"secret": "x" * 500})
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "session_large bytes=511 limit=100"
    with pytest.raises(StateTooLarge, match="2011 bytes, more than STATE_MAX_BYTES = 1000"):
        codec.encode({"secret": "x" * 2_000})


def test_the_hard_limit_holds_below_the_warning_too() -> None:
    with pytest.raises(StateTooLarge):
        Codec(warn_bytes=1_000, max_bytes=10, compress_bytes=10).encode({"v": "x" * 50})


def test_a_state_is_compressed_where_that_makes_it_smaller() -> None:
    repetitive = {"v": ["the same"] * 1_000}
    assert len(CODEC.encode(repetitive)) < 500
    assert CODEC.decode(CODEC.encode(repetitive)) == repetitive
    incompressible = {"v": b"".join(UUID(int=pow(3, n, 2**127)).bytes for n in range(200, 500))}
    assert CODEC.decode(CODEC.encode(incompressible)) == incompressible
    assert CODEC.encode(incompressible)[1] == 0
    assert CODEC.encode({"v": "x" * 1_000})[1] == 0


def test_the_settings_reach_the_codec() -> None:
    codec = Codec.from_config(Config(state_warn_bytes=1, state_max_bytes=2, state_compress_bytes=3))
    assert (codec.warn_bytes, codec.max_bytes, codec.compress_bytes) == (1, 2, 3)
