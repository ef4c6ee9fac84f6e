"""Frames that no client script sends: malformed, too large, too deep, too many."""

from __future__ import annotations

import json
from typing import Any

import pytest

from djust.live_view.protocol import Close
from tests.integration.hostile.support import Site, Visitor, refused

pytestmark = pytest.mark.usefixtures("honest")

#: The default of ``FRAME_MAX_BYTES``.
LIMIT = 128_000

STATE = {"count": 9, "_live": {"seen": {}}}
MALFORMED: list[Any] = [
    b"",
    b'{"t":"ping"}',
    b"\xff\xfe\x00",
    "",
    "x",
    "null",
    "[]",
    '"ping"',
    "{}",
    '{"t":"ping"',
    '{"t":"ping"}{"t":"ping"}',
    '{"t":"unknown"}',
    '{"t":["event"]}',
    {"t": "update", "n": 1, "html": "x"},
    {"t": "ping", "state": STATE},
    {"t": "event", "n": 1, "name": "increment", "state": STATE},
    {"t": "event", "n": 1, "name": "increment", "version": 1},
    {"t": "event", "n": 1, "name": ["increment"]},
    {"t": "event", "n": 1, "name": "increment", "params": [1]},
    {"t": "event", "n": 1, "name": "increment", "args": {"by": 1}},
    {"t": "event", "name": "increment"},
    {"t": "model", "n": 1, "field": "query", "value": "x", "force": True},
    {"t": "model", "n": 1, "field": "query"},
    {"t": "join", "token": "x", "client": "x", "uri": "/", "html": ""},
    '{"t":"model","n":1,"field":"query","value":NaN}',
    '{"t":"model","n":1,"field":"query","value":Infinity}',
    '{"t":"model","n":1,"field":"query","value":1e999}',
    f'{{"t":"model","n":1,"field":"query","value":{"9" * 100_000}}}',
    '{"t":"model","n":1,"field":"query","value":"\\ud800"}',
    '{"t":"event","n":1,"name":"increment","params":{"\\udfff":1}}',
    '{"t":"event","n":1,"name":"increment","args":[[["\\ud83d"]]]}',
    '{"t":"ping","t":"event"}',
    *(
        f'{{"t":"event","name":"increment","n":{n}}}'
        for n in ("0", "-1", str(2**60), "true", "1.5", "1.0", "null", '"1"')
    ),
    f'{{"t":"event","name":"increment","n":{"9" * 4_000}}}',
]


async def test_what_is_no_frame(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    for frame in MALFORMED:
        async with await visitor.joined(page) as socket:
            await refused(site, socket, Close.MALFORMED, page, frame)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"t": "model", "n": 1, "field": "query", "value": "x" * LIMIT}),
        json.dumps({"t": "model", "n": 1, "field": "query", "value": "😀" * (LIMIT // 4)}, ensure_ascii=False),
        "[" * (LIMIT + 1),
        "x" * 10_000_000,
    ],
    ids=["ascii", "emoji", "brackets", "10 MB"],
)
async def test_a_frame_that_is_too_large(site: Site, visitor: Visitor, text: str) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        await refused(site, socket, Close.TOO_LARGE, page, text)


async def test_a_frame_that_the_web_server_does_not_take(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        before = site.store.state(page)
        await socket.send("x" * 20_000_000)
        assert (await socket.closed())[0] in (1006, 1009)
        assert site.store.state(page) == before


async def test_a_frame_that_is_no_utf_8(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        before = site.store.state(page)
        await socket.connection.send(b'{"t":"ping\xff"}', text=True)
        assert (await socket.closed())[0] == 1007
        assert site.store.state(page) == before


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        '{"a":' * 20_000,
        '{"t":"model","n":1,"field":"query","value":' + "[" * 40_000 + "]" * 40_000 + "}",
        '{"t":"model","n":1,"field":"query","value":' + '{"a":' * 15_000 + "1" + "}" * 15_000 + "}",
        '{"t":"event","n":1,"name":"anything","args":[' + "[" * 12 + "]" * 12 + "]}",
    ],
    ids=["open lists", "lists", "open objects", "lists in a value", "objects in a value", "thirteen"],
)
async def test_a_frame_that_is_too_deep(site: Site, visitor: Visitor, text: str) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        await refused(site, socket, Close.TOO_DEEP, page, text)


@pytest.mark.parametrize(
    "frame",
    [{"t": "ping"}, {"t": "event", "n": 1, "name": "increment"}, {"t": "leave"}],
    ids=["ping", "event", "leave"],
)
async def test_too_many_frames(site: Site, visitor: Visitor, frame: dict[str, Any]) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        # The same number again and again: one event at most.
        await refused(site, socket, Close.TOO_MANY, None, *[frame] * 1_000)
    assert site.store.state(page)[1]["count"] <= 1


async def test_joining_too_often(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        await refused(site, socket, Close.TOO_MANY, page, *[page.join_frame()] * 400)


async def test_the_same_number_counts_once(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        for number in (1, 1, 5, 3, 5, 2):
            await socket.event(number, "increment")
    assert site.store.state(page)[1]["count"] == 2


async def test_many_clients_of_one_page_are_not_all_remembered(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        for number in range(30):
            await socket.send(page.join_frame(client=f"client{number:016}"))
            await socket.event(1, "increment")
    state = site.store.state(page)[1]
    assert state["count"] == 30
    assert len(state["_live"]["seen"]) == 8


async def test_letters_of_all_kinds_come_back(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    texts = ["\0", "😀" * 100, "\u2028</script>", "e\u0301\u200d", "\ufeff", "\ufffe", "\"<>&'", "\x1b[0m", "\r\n"]
    async with await visitor.joined(page) as socket:
        for number, text in enumerate(texts, 1):
            assert (await socket.event(number, "put", {"value": text}))["t"] == "update"
            assert site.store.state(page)[1]["text"] == text
