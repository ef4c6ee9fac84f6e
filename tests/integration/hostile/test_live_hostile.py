"""Hostile clients against a real server: each is refused with its code, and changes nothing for anybody."""

from __future__ import annotations

from typing import Any

import pytest

from djust.live_view.protocol import Close
from tests.integration.hostile.support import Site, Visitor, refused

pytestmark = pytest.mark.usefixtures("honest")

# Who may open a socket


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", "http://127.0.0.1.evil.example", "http://[", "file://"],
)
async def test_a_foreign_origin(site: Site, visitor: Visitor, origin: str | None) -> None:
    page = visitor.page()
    async with await visitor.socket(origin=origin) as socket:
        await refused(site, socket, Close.FOREIGN_ORIGIN, page, page.join_frame())


async def test_a_trusted_origin_may(visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.socket(origin="https://shop.partner.example") as socket:
        await socket.send(page.join_frame())
        assert (await socket.answer())["t"] == "joined"


# Who may join a page


async def test_joining_without_a_token(site: Site, visitor: Visitor) -> None:
    for token in ("", "x", "a:b:c", "é" * 100, "\0"):
        async with await visitor.socket() as socket:
            await refused(site, socket, Close.TOKEN_REFUSED, None, {**visitor.page().join_frame(), "token": token})


async def test_joining_with_a_token_that_was_changed(site: Site, visitor: Visitor) -> None:
    page, another = visitor.page(), visitor.page()
    body, timestamp, signature = page.token.split(":")
    swapped = f"{another.token.split(':')[0]}:{timestamp}:{signature}"
    for token in (page.token[:-1], page.token + "A", f"{body}A:{timestamp}:{signature}", swapped, "." + page.token):
        async with await visitor.socket() as socket:
            await refused(site, socket, Close.TOKEN_REFUSED, page, page.join_frame(token=token))


async def test_joining_with_the_token_of_another_browser(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    with Visitor(site.web.url) as thief:
        thief.page()
        async with await thief.socket() as socket:
            await refused(site, socket, Close.TOKEN_REFUSED, page, page.join_frame())
        async with await thief.socket(cookies=False) as socket:
            await refused(site, socket, Close.TOKEN_REFUSED, page, page.join_frame())


async def test_joining_with_the_token_of_another_user(site: Site, visitor: Visitor) -> None:
    visitor.log_in()
    page = visitor.page()
    with Visitor(site.web.url) as thief:
        async with await thief.socket() as socket:
            await refused(site, socket, Close.LOGGED_OUT, page, page.join_frame())
        thief.log_in()
        async with await thief.socket() as socket:
            await refused(site, socket, Close.LOGGED_OUT, page, page.join_frame())


async def test_joining_with_the_token_of_the_same_user_elsewhere(site: Site, visitor: Visitor) -> None:
    visitor.log_in("twice")
    page = visitor.page()
    with Visitor(site.web.url) as elsewhere:
        elsewhere.log_in("twice")
        async with await elsewhere.socket() as socket:
            await refused(site, socket, Close.TOKEN_REFUSED, page, page.join_frame())


async def test_the_token_says_which_view_it_is(site: Site, visitor: Visitor) -> None:
    """What a page's address is said to be changes nothing: the view is the one that the token was made for."""
    page = visitor.page("/items/7/")
    async with await visitor.socket() as socket:
        await socket.send(page.join_frame(uri="/"))
        assert "<b>7</b>" in (await socket.answer())["html"]
        await refused(site, socket, Close.NO_HANDLER, page, {"t": "event", "n": 1, "name": "put", "args": ["x"]})


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "event", "n": 1, "name": "increment"},
        {"t": "model", "n": 1, "field": "query", "value": "x"},
        {"t": "url", "n": 1, "uri": "/"},
    ],
)
async def test_events_before_the_page_is_joined(site: Site, visitor: Visitor, frame: dict[str, Any]) -> None:
    async with await visitor.socket() as socket:
        await refused(site, socket, Close.MALFORMED, visitor.page(), frame)


async def test_events_after_the_page_was_left(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        frames: list[dict[str, Any]] = [{"t": "leave"}, {"t": "event", "n": 1, "name": "increment"}]
        await refused(site, socket, Close.MALFORMED, page, *frames)


async def test_a_session_that_was_ended(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    site.store.delete(page)
    async with await visitor.socket() as socket:
        await socket.send(page.join_frame())
        assert await socket.closed() == (Close.GONE, "expired")


# What may be called and set

NO_HANDLERS = [
    *(
        "mount",
        "get_context_data",
        "handle_params",
        "handle_broadcast",
        "as_view",
        "dispatch",
        "setup",
        "get",
        "http_method_not_allowed",
    ),
    *("live_patch", "live_redirect", "push_event", "subscribe", "unsubscribe", "options"),
    *("__class__", "__init__", "__dict__", "__reduce__", "__getattribute__", "_x", "_hidden", "_navigate", "_private"),
    *(
        "template_name",
        "djust",
        "request",
        "args",
        "kwargs",
        "count",
        "secret",
        "attribute",
        "undecorated",
        "state_version",
    ),
    *(
        "",
        " increment",
        "increment ",
        "INCREMENT",
        "increment.__call__",
        "increment\0",
        "djust.topics",
        "c\u043eunt",
        "a" * 1_000,
    ),
]


async def test_what_is_no_handler(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    for name in NO_HANDLERS:
        async with await visitor.joined(page) as socket:
            await refused(
                site, socket, Close.NO_HANDLER, page, {"t": "event", "n": 1, "name": name, "params": {"by": 3}}
            )


NOT_BINDABLE = [
    *("unbound", "count", "text", "page", "secret", "calls"),
    *(
        "_x",
        "_private",
        "_live",
        "request",
        "djust",
        "args",
        "kwargs",
        "head",
        "template_name",
        "allowed_model_fields",
    ),
    *(
        "__class__",
        "__dict__",
        "mount",
        "increment",
        "undecorated",
        "attribute",
        "state_version",
        "page_title",
        "user",
    ),
    *("", "query ", "QUERY", "query\0", "query.x", '"', "dj-model", "a" * 1_000),
]


async def test_fields_that_the_template_does_not_bind(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    for field in NOT_BINDABLE:
        async with await visitor.joined(page) as socket:
            await refused(site, socket, Close.NOT_BINDABLE, page, {"t": "model", "n": 1, "field": field, "value": "x"})


async def test_a_visitor_cannot_bind_fields_by_typing_the_attribute(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        number = 0
        for text in (' dj-model="count" ', " dj-model='count' ", '<input dj-model="count">', "<input dj-model=count>"):
            await socket.event(number := number + 1, "put", {"value": text})
            await socket.send({"t": "model", "n": (number := number + 1), "field": "query", "value": text})
            assert (await socket.answer())["n"] == number
        frame = {"t": "model", "n": number + 1, "field": "count", "value": 9}
        await refused(site, socket, Close.NOT_BINDABLE, page, frame)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("increment", {"by": "x"}),
        ("increment", {"by": []}),
        ("increment", {"by": 1.5}),
        ("put", {}),
        ("put", {"value": {"a": 1}}),
        ("typed", {"a": 1}),
        ("typed", {"a": 1, "b": "nan", "c": 1, "d": []}),
        ("typed", {"a": 1, "b": 1, "c": "sNaN", "d": []}),
        ("typed", {"a": 1, "b": 1, "c": 1, "d": [[1]]}),
        ("typed", {"a": 10**4000, "b": 10**4000, "c": 1, "d": []}),
    ],
)
async def test_what_does_not_fit_is_an_error_and_the_page_goes_on(
    site: Site, visitor: Visitor, name: str, params: dict[str, Any]
) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        before = site.store.state(page)
        answer = await socket.event(1, name, params)
        assert answer["t"] == "error"
        assert answer["message"].startswith(name)
        assert site.store.state(page)[1]["calls"] == before[1]["calls"] == 0
        assert (await socket.event(2, "increment"))["t"] == "update"


@pytest.mark.parametrize(
    ("field", "value"),
    [("query", {"a": 1}), ("query", ["a"]), ("agreed", "maybe"), ("agreed", [True]), ("agreed", {}), ("agreed", 7)],
)
async def test_a_value_of_another_type_is_an_error(site: Site, visitor: Visitor, field: str, value: Any) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        state = site.store.state(page)[1]
        await socket.send({"t": "model", "n": 1, "field": field, "value": value})
        assert (await socket.answer())["t"] == "error"
        assert site.store.state(page)[1][field] == state[field]


async def test_names_that_the_view_has_itself_do_no_harm(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    names = ["self", "cls", "request", "__class__", "class", "_x", "", "a b", "\0", "ü"]
    async with await visitor.joined(page) as socket:
        for number, name in enumerate(names, 1):
            answer = await socket.event(number, "anything", {name: 1})
            assert answer["t"] == "update", answer
    assert site.store.state(page)[1]["calls"] == len(names)


@pytest.mark.parametrize(
    "uri", ["//evil.example/", "/\\evil.example", "https://evil.example/", "", "items", "\0", "javascript:alert(1)"]
)
async def test_addresses_of_other_sites(site: Site, visitor: Visitor, uri: str) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        await refused(site, socket, Close.MALFORMED, page, {"t": "url", "n": 1, "uri": uri})


async def test_an_address_with_too_many_fields(site: Site, visitor: Visitor) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        await refused(site, socket, Close.MALFORMED, page, {"t": "url", "n": 1, "uri": "/?" + "a&" * 20_000 + "a=1"})


@pytest.mark.parametrize("uri", ["/plain/", "/items/3/", "/items/x/", "/nowhere/", "/%00", "/\ud7ff", "/a#b", "/..//"])
async def test_addresses_of_other_pages_change_nothing(site: Site, visitor: Visitor, uri: str) -> None:
    page = visitor.page()
    async with await visitor.joined(page) as socket:
        before = site.store.state(page)
        await socket.send({"t": "url", "n": 1, "uri": uri})
        answer = await socket.answer()
        assert (answer["t"], answer["uri"]) == ("moved", uri)
        assert site.store.state(page) == before
