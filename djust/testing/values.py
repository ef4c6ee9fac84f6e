"""What goes in comes out."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from djust.exceptions import InvalidArgument, StateTooLarge, UnsupportedType
from djust.testing.support import Store

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    2**64,
    -(2**70),
    0.1,
    -1e300,
    "",
    "text",
    "ä € 漢字 🎉 \x00 \n",
    [],
    [1, "two", [3.0, None]],
    {},
    {"a": {"b": [{"c": 1}]}},
    (),
    (1, ("two", [3])),
    set(),
    {1, 2, 3},
    {"a", (1, 2)},
    frozenset({1, frozenset({2})}),
    b"",
    bytes(range(256)),
    datetime(2024, 2, 29, 12, 30, 15, 123456),  # noqa: DTZ001
    datetime(2024, 2, 29, 12, 30, 15, 123456, UTC),
    datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    date(2024, 2, 29),
    time(23, 59, 59, 999999),
    timedelta(days=-1, microseconds=1),
    Decimal("1.10"),
    Decimal("1E+30"),
    UUID("12345678-1234-5678-1234-567812345678"),
    "long and alike " * 10_000,
]

ODD_NAMES = [
    "x",
    " ",
    " spaces around ",
    "line\nbreak\r\n",
    "nul\x00byte",
    "{braces}{}",
    "}{",
    "a:b:c::",
    "*?[a-z]\\",
    "ä漢字🎉",
    "|",
    "k" * 512,
    "漢" * 170,
]

NOT_NAMES: list[Any] = ["", "k" * 513, "漢" * 171, "\ud800", None, 1.5, b"bytes", True, ["list"]]


def assert_same(found: Any, expected: Any) -> None:
    """Fail unless both are equal and of the same types, all the way down."""
    assert type(found) is type(expected)
    assert found == expected
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list | tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, set | frozenset):
        assert {type(item) for item in found} == {type(item) for item in expected}
    elif isinstance(expected, Decimal | datetime):
        assert repr(found) == repr(expected)


class ValuesContract:
    """States, keys, owners and labels."""

    @pytest.mark.parametrize("value", VALUES, ids=[f"{type(v).__name__}{i}" for i, v in enumerate(VALUES)])
    def test_a_value_comes_out_as_it_went_in(self, store: Store, key: str, value: Any) -> None:
        saved = store.set(key, {"value": value})
        assert_same(saved.state, {"value": value})
        assert_same(store.live(key).state, {"value": value})

    def test_all_values_together_come_out_as_they_went_in(self, store: Store, key: str) -> None:
        state = {f"value {number}": value for number, value in enumerate(VALUES)}
        store.set(key, state)
        assert_same(store.live(key).state, state)

    def test_an_empty_state_is_a_session(self, store: Store, key: str) -> None:
        store.set(key, {})
        assert store.live(key).state == {}

    def test_the_order_of_a_dict_is_kept(self, store: Store, key: str) -> None:
        store.set(key, {"z": 1, "a": 2, "m": 3})
        assert list(store.live(key).state) == ["z", "a", "m"]

    def test_an_unknown_key_has_no_session(self, store: Store, key: str) -> None:
        assert store.get(key) is None

    def test_changing_what_was_saved_does_not_change_what_is_stored(self, store: Store, key: str) -> None:
        state: dict[str, Any] = {"list": [1]}
        saved = store.set(key, state)
        state["list"].append(2)
        state["more"] = True
        saved.state["list"].append(3)
        assert store.live(key).state == {"list": [1]}

    def test_changing_what_was_read_does_not_change_what_is_stored(self, store: Store, key: str) -> None:
        store.set(key, {"list": [1]})
        store.live(key).state["list"].append(2)
        assert store.live(key).state == {"list": [1]}

    def test_set_returns_the_session_that_get_returns(self, store: Store, key: str) -> None:
        saved = store.set(key, {"a": 1}, 60, owner="someone", label="kind")
        assert store.get(key) == saved
        assert (saved.key, saved.owner, saved.label, saved.state) == (key, "someone", "kind", {"a": 1})

    @pytest.mark.parametrize(
        "value", [object(), lambda: None, 1j, Store], ids=["object", "function", "complex", "class"]
    )
    def test_an_unsupported_type_is_refused_and_changes_nothing(self, store: Store, key: str, value: Any) -> None:
        store.set(key, {"kept": True})
        with pytest.raises(UnsupportedType):
            store.set(key, {"fine": 1, "list": [value]})
        assert store.live(key).state == {"kept": True}

    @pytest.mark.parametrize("state", [None, [], "text", 1], ids=["None", "list", "str", "int"])
    def test_a_state_that_is_no_dict_is_refused(self, store: Store, key: str, state: Any) -> None:
        with pytest.raises(UnsupportedType):
            store.set(key, state)
        assert store.get(key) is None

    def test_a_state_that_is_too_large_is_refused_and_changes_nothing(self, store: Store, key: str) -> None:
        store.set(key, {"kept": True})
        with pytest.raises(StateTooLarge):
            store.set(key, {"noise": os.urandom(1_100_000)})
        assert store.live(key).state == {"kept": True}

    @pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
    def test_any_text_is_a_key_an_owner_and_a_label(self, store: Store, name: str) -> None:
        store.set(name, {"a": 1}, owner=name, label=name)
        store.set(name + "'" if len(name) == 1 else name[:-1], {"b": 2})
        session = store.live(name)
        assert (session.key, session.owner, session.label, session.state) == (name, name, name, {"a": 1})
        assert [info.key for info in store.sessions(owner=name, label=name)] == [name]
        assert store.touch(name)
        assert store.delete_owner(name) == 1
        assert not store.delete(name)

    @pytest.mark.parametrize("name", NOT_NAMES, ids=range(len(NOT_NAMES)))
    def test_anything_else_is_no_key(self, store: Store, name: Any) -> None:
        for call in (store.get, store.touch, store.delete):
            with pytest.raises(InvalidArgument):
                call(name)
        with pytest.raises(InvalidArgument):
            store.set(name, {})

    @pytest.mark.parametrize("name", [name for name in NOT_NAMES if name is not None])
    def test_anything_else_is_no_owner_and_no_label(self, store: Store, key: str, name: Any) -> None:
        for options in ({"owner": name}, {"label": name}):
            with pytest.raises(InvalidArgument):
                store.set(key, {}, **options)
            with pytest.raises(InvalidArgument):
                store.sessions(**options)
        with pytest.raises(InvalidArgument):
            store.delete_owner(name)
        assert store.get(key) is None

    def test_an_owner_may_be_a_number_and_is_text_from_then_on(self, store: Store, key: str) -> None:
        assert store.set(key, {}, owner=42).owner == "42"
        assert [info.key for info in store.sessions(owner=42)] == [key]
        assert store.delete_owner("42") == 1

    def test_a_label_is_text(self, store: Store, key: str) -> None:
        with pytest.raises(InvalidArgument):
            store.set(key, {}, label=42)

    @pytest.mark.parametrize("ttl", [float("nan"), float("inf"), float("-inf"), "60", True])
    def test_a_ttl_is_a_finite_number(self, store: Store, key: str, ttl: Any) -> None:
        saved = store.set(key, {})
        for call in (
            lambda: store.set(key, {"b": 1}, ttl),
            lambda: store.touch(key, ttl),
            lambda: store.cleanup_expired(ttl),
        ):
            with pytest.raises(InvalidArgument):
                call()
        assert store.get(key) == saved

    @pytest.mark.parametrize("version", [-1, 2**63, 1.0, "1", True])
    def test_a_version_is_a_whole_number(self, store: Store, key: str, version: Any) -> None:
        with pytest.raises(InvalidArgument):
            store.set(key, {}, expected_version=version)
        assert store.get(key) is None
