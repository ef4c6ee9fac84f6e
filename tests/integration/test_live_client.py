"""The client for load tests, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from djust.testing import LiveClient
from djust.testing.live_client import Disconnected, NotLive
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer

APP = "tests.integration.live_client_app:application"


@pytest.fixture(scope="module")
def site(valkey: RedisServer) -> Iterator[UvicornServer]:
    with UvicornServer(APP, env={"REDIS_URL": valkey.url}) as server:
        yield server


async def test_it_opens_a_page_and_sends_events(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/?part=third")
    assert "<b>0</b>" in client.html
    assert "<u>third</u>" in client.html
    assert client.cookies.keys() == {"djust_visitor"}
    answer = await client.event("add", by=2)
    assert (answer["t"], answer["n"], client.last_number) == ("update", 1, 1)
    await client.event("add", 40)
    assert "<b>42</b>" in client.html
    assert client.title == "At 42"
    await client.leave()
    assert client.close_code == 1001


async def test_offsets_count_code_units(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/")
    await client.set("text", "𝄞 and 𝄢")
    await client.event("shout", message="𝄢!")
    await client.until(lambda page: "<s>𝄢!</s>" in page.html)
    await client.event("add")
    assert client.html.startswith("<b>1</b><i>𝄞 and 𝄢</i><u>first</u><s>𝄢!</s>")
    await client.leave()


async def test_it_tells_what_comes_with_an_update(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/")
    await client.event("go")
    assert client.pushed == [("went", {"to": 2})]
    assert client.navigation == {"kind": "patch", "url": "/?part=second", "replace": False}
    await client.patch("/?part=fourth")
    assert "<u>fourth</u>" in client.html
    assert (await client.event("fail"))["t"] == "error"
    assert client.last_number == 3
    await client.leave()


async def test_it_connects_again_as_the_same_page(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/")
    await client.event("add")
    await client.drop()
    assert client.close_code == 1006
    with pytest.raises(Disconnected, match="1006"):
        await client.event("add")
    joined = await client.reconnect()
    assert (joined["t"], joined["n"]) == ("joined", 1)
    assert (client.last_number, client.close_code) == (2, None)
    assert "<b>2</b>" in client.html
    await client.leave()


async def test_an_event_that_was_handled_is_not_sent_again(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/")
    other = await LiveClient.open(site.url, "/")
    # The answer to this one is lost with the socket; the other page tells when the event was handled.
    lost = asyncio.create_task(client.event("shout", message="heard"))
    await other.until(lambda page: "<s>heard</s>" in page.html)
    await client.drop()
    await asyncio.wait({lost})
    await client.reconnect()
    assert client.last_number == 1
    await client.event("add")
    assert "<b>1</b>" in client.html
    if lost.exception() is not None:
        assert isinstance(lost.exception(), Disconnected)
    await client.leave()
    await other.leave()


async def test_events_sent_at_once_are_done_in_order(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/")
    answers = await asyncio.gather(*(client.event("add", by=number) for number in range(30)))
    assert [answer["n"] for answer in answers] == list(range(1, 31))
    assert f"<b>{sum(range(30))}</b>" in client.html
    await client.leave()


async def test_it_says_why_it_was_refused(site: UvicornServer) -> None:
    with pytest.raises(Disconnected) as refused:
        await LiveClient.open(site.url, "/", origin="https://elsewhere.example")
    assert (refused.value.code, refused.value.reason) == (4403, "The page is not of this site.")
    client = await LiveClient.open(site.url, "/")
    with pytest.raises(Disconnected, match="4405"):
        await client.event("mount")
    other = await LiveClient.open(site.url, "/")
    await other.send("no frame")
    assert await other.closed() == 4400


async def test_a_page_that_is_not_live_is_an_error(site: UvicornServer) -> None:
    with pytest.raises(NotLive, match="/plain/ answered with status 200 and no LiveView"):
        await LiveClient.open(site.url, "/plain/")
    with pytest.raises(NotLive, match="404"):
        await LiveClient.open(site.url, "/nowhere/")


async def test_its_heartbeat_keeps_a_silent_page(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/")
    silent = await LiveClient.open(site.url, "/")
    assert silent._timer is not None
    silent._timer.cancel()
    assert await silent.closed() == 4408
    assert client.close_code is None
    await client.event("add")
    await client.leave()


async def test_compression_can_be_asked_for(site: UvicornServer) -> None:
    client = await LiveClient.open(site.url, "/", compression="deflate")
    await client.event("add")
    assert "<b>1</b>" in client.html
    await client.leave()
