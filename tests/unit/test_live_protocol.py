"""What a browser may send, and the code that refuses the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djust.live_view.errors import Refused
from djust.live_view.protocol import MAX_DEPTH, MAX_NUMBER, Close, dump, parse

LIMIT = 1_000


def code_of(text: str | None, limit: int = 200_000) -> int:
    with pytest.raises(Refused) as caught:
        parse(text, limit)
    assert len(str(caught.value)) < 100
    return caught.value.code


REFUSALS = (Close.MALFORMED, Close.TOO_LARGE, Close.TOO_DEEP)


def outcome(text: str, limit: int) -> dict[str, Any] | int:
    """Return the frame or the code that refused it."""
    try:
        return parse(text, limit)
    except Refused as refused:
        return refused.code


FRAMES: list[dict[str, Any]] = [
    {"t": "join", "token": "a:b:c", "client": "0123456789abcdef", "uri": "/a?b=c"},
    {"t": "event", "n": 1, "name": "add"},
    {
        "t": "event",
        "n": MAX_NUMBER,
        "name": "add",
        "params": {"a": [1, None, True, 1.5, "ü", "😀"]},
        "args": [{"b": []}],
    },
    {"t": "model", "n": 2, "field": "query", "value": None},
    {"t": "model", "n": 2, "field": "query", "value": ["a", "b"]},
    {"t": "url", "n": 3, "uri": "/a"},
    {"t": "ping"},
    {"t": "leave"},
]


@pytest.mark.parametrize("frame", FRAMES)
def test_the_frames_of_the_protocol_are_read(frame: dict[str, Any]) -> None:
    assert parse(json.dumps(frame), LIMIT) == frame
    assert parse(json.dumps(frame, ensure_ascii=False, indent=1), LIMIT) == frame


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "\0",
        "x",
        "{",
        "[]",
        "null",
        "1",
        '"ping"',
        "[{}]",
        "{}",
        '{"t":null}',
        '{"t":1}',
        '{"t":[]}',
        '{"t":{}}',
        '{"t":""}',
        '{"t":"unknown"}',
        '{"t":"joined"}',
        '{"t":"update"}',
        '{"t":"PING"}',
        '{"t":"ping"}{"t":"ping"}',
        '{"t":"ping","state":{}}',
        '{"t":"ping","n":1}',
        '{"t":"leave","":1}',
        '{"t":"event","n":1}',
        '{"t":"event","name":"a"}',
        '{"t":"event","n":1,"name":"a","state":{"count":9}}',
        '{"t":"event","n":1,"name":"a","_live":{}}',
        '{"t":"event","n":1,"name":"a","version":3}',
        '{"t":"event","n":1,"name":null}',
        '{"t":"event","n":1,"name":["a"]}',
        '{"t":"event","n":1,"name":"a","params":[]}',
        '{"t":"event","n":1,"name":"a","params":null}',
        '{"t":"event","n":1,"name":"a","args":{}}',
        '{"t":"event","n":1,"name":"a","args":"abc"}',
        '{"t":"model","n":1,"field":"a"}',
        '{"t":"model","n":1,"field":3,"value":1}',
        '{"t":"model","n":1,"value":1}',
        '{"t":"url","n":1}',
        '{"t":"url","n":1,"uri":null}',
        '{"t":"join","client":"a","uri":"/"}',
        '{"t":"join","token":1,"client":"a","uri":"/"}',
        '{"t":"join","token":"a","client":null,"uri":"/"}',
        '{"t":"join","token":"a","client":"a","uri":"/","state":{}}',
        '{"t":"join","token":"a","client":"%s","uri":"/"}' % ("a" * 129),
        "{'t':'ping'}",
        '{"t":"ping",}',
        '{"t":"ping"} //',
        '\ufeff{"t":"ping"}',
    ],
)
def test_what_is_no_frame_is_malformed(text: str | None) -> None:
    assert code_of(text) == Close.MALFORMED


@pytest.mark.parametrize(
    "number",
    ["0", "-1", "-0", "1.5", "1.0", "1e0", "true", "false", "null", '"1"', "[]", str(2**53), str(2**60), "9" * 5_000],
)
def test_events_are_numbered_from_one_on(number: str) -> None:
    assert code_of(f'{{"t":"event","name":"a","n":{number}}}') == Close.MALFORMED


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5_000, "01", "0x1", "+1", ".5"]
)
def test_what_is_no_number_of_json_is_malformed(value: str) -> None:
    assert code_of(f'{{"t":"model","n":1,"field":"a","value":{value}}}') == Close.MALFORMED
    assert code_of(f'{{"t":"event","n":1,"name":"a","params":{{"a":[{value}]}}}}') == Close.MALFORMED


@pytest.mark.parametrize("half", ["\\ud800", "\\udc00", "\\udfff\\ud800", "\ud800", "a\\uD83Dz"])
@pytest.mark.parametrize(
    "frame",
    [
        '{"t":"model","n":1,"field":"a","value":"%s"}',
        '{"t":"model","n":1,"field":"%s","value":1}',
        '{"t":"event","n":1,"name":"%s"}',
        '{"t":"event","n":1,"name":"a","params":{"%s":1}}',
        '{"t":"event","n":1,"name":"a","args":[[{"a":["%s"]}]]}',
        '{"t":"join","token":"%s","client":"a","uri":"/"}',
        '{"t":"join","token":"a","client":"%s","uri":"/"}',
        '{"t":"url","n":1,"uri":"/%s"}',
        '{"t":"%s"}',
        '{"t":"ping","%s":1}',
    ],
)
def test_half_a_surrogate_pair_is_malformed(frame: str, half: str) -> None:
    assert code_of(frame % half) == Close.MALFORMED


def test_a_whole_surrogate_pair_is_a_letter() -> None:
    assert parse('{"t":"model","n":1,"field":"a","value":"\\ud83d\\ude00\\u0000"}', LIMIT)["value"] == "😀\0"


def test_a_key_that_comes_twice_counts_once() -> None:
    assert parse('{"t":"leave","t":"ping"}', LIMIT) == {"t": "ping"}
    assert code_of('{"t":"ping","t":"event"}') == Close.MALFORMED
    assert code_of('{"t":"url","n":1,"uri":"/","n":true}') == Close.MALFORMED


@pytest.mark.parametrize("letter", ["a", "ü", "😀", "\u2028"])
def test_a_frame_may_be_as_large_as_the_limit(letter: str) -> None:
    def frame(count: int) -> str:
        return json.dumps({"t": "model", "n": 1, "field": "a", "value": letter * count}, ensure_ascii=False)

    room = LIMIT - len(frame(0).encode())
    width = len(letter.encode())
    assert parse(frame(room // width), LIMIT)
    assert code_of(frame(room // width + 1), LIMIT) == Close.TOO_LARGE
    assert code_of("x" * (LIMIT + 1), LIMIT) == Close.TOO_LARGE


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_a_frame_may_be_as_deep_as_the_limit(opening: str, closing: str) -> None:
    levels = opening.count("[") + opening.count("{")

    def frame(depth: int) -> str:
        count = depth // levels
        return f'{{"t":"model","n":1,"field":"a","value":{opening * count}1{closing * count}}}'

    assert parse(frame(MAX_DEPTH - 2), LIMIT)
    assert code_of(frame(MAX_DEPTH), LIMIT) == Close.TOO_DEEP
    assert code_of(frame(900)) == Close.TOO_DEEP
    assert code_of(frame(20_000)) == Close.TOO_DEEP


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 25_000, '{"t":' + "[" * 100_000, "[{" * 50_000 + '"a":1'])
def test_brackets_that_never_close_are_refused(text: str) -> None:
    assert code_of(text) in (Close.TOO_DEEP, Close.MALFORMED)


@settings(deadline=None, max_examples=300)
@given(text=st.text(st.characters(), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(outcome(text, LIMIT), dict) or outcome(text, LIMIT) in REFUSALS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)
NAMES = st.sampled_from(["t", "n", "name", "params", "args", "field", "value", "uri", "token", "client", "state"])


@settings(deadline=None, max_examples=300)
@given(frame=st.dictionaries(NAMES, JSON | st.sampled_from(["join", "event", "model", "url", "ping", 1, 2])))
def test_any_object_is_read_or_refused(frame: dict[str, Any]) -> None:
    found = outcome(json.dumps(frame), 10_000)
    if isinstance(found, dict):
        # What was let through can be sent on and stored.
        dump(found).encode()
    else:
        assert found in REFUSALS


def test_what_is_sent_is_short_and_readable() -> None:
    assert dump({"t": "update", "splices": [[1, 2, "ü"]]}) == '{"t":"update","splices":[[1,2,"ü"]]}'
