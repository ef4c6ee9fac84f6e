"""Notices within one process, and how they show themselves."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from itertools import pairwise

import pytest

from djust.log import hashed
from djust.state_backend import InMemoryStateBackend, Notice, notices
from djust.state_backend.notices import Hub
from djust.state_backend.redis.address import parse_address
from djust.state_backend.redis.availability import Availability
from djust.state_backend.redis.layout import Layout, pack_notice, parse_notice
from djust.state_backend.redis.listening import Listener
from tests.unit.test_memory import in_child

KEY = "canary-session-key"


@pytest.mark.parametrize("topic", ["ended", KEY])
def test_a_notice_shows_neither_message_nor_a_topic_of_the_project(topic: str) -> None:
    notice = Notice(topic, KEY.encode())
    shown = repr(notice) + str(notice) + f"{[notice]}"
    assert KEY not in shown
    assert (topic if topic == "ended" else hashed(topic)) in shown


@pytest.mark.parametrize("notice", [Notice("t", b""), Notice("ä" * 100, bytes(range(256))), Notice("ended", b"ended")])
def test_what_goes_through_the_channel_comes_out_equal(notice: Notice) -> None:
    assert parse_notice(pack_notice(notice)) == notice


@pytest.mark.parametrize("data", [b"", b"\0", b"\0abc", b"\5abcd", b"\xff", b"\1\xff"])
def test_what_is_no_notice_is_none(data: bytes) -> None:
    assert parse_notice(data) is None


def test_each_database_has_a_channel() -> None:
    assert Layout("djust:").channel == b"djust:notices:0"
    assert Layout("djust:", 7).channel == b"djust:notices:7"


@pytest.mark.parametrize("known", [[], ["one:6379"], ["one:6379", "two:6379"]])
async def test_a_listener_goes_to_another_node_if_there_is_one(known: list[str]) -> None:
    async def nodes() -> list[str]:
        return known

    address = parse_address("redis://one:6379")
    listener = Listener(address, b"channel", Availability(address.endpoint), timeout=1, nodes=nodes)
    places = [await listener._place() for _ in range(20)]
    assert {place["port"] for place in places} == {6379}
    assert all(here != there for here, there in pairwise(places)) == (len(known) == 2)


def test_who_listens_too_slowly_is_told_that_something_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MAX_WAITING_BYTES", 10_000)

    async def work() -> None:
        hub = Hub()
        async with aclosing(hub.listen()) as heard:
            assert (await anext(heard)).topic == "resubscribed"
            for _ in range(9):
                hub.publish(Notice("before", b"x" * 1_000))
            hub.publish(Notice("last", b""))
            assert [(await anext(heard)).topic for _ in range(2)] == ["resubscribed", "last"]
            for _ in range(100):
                hub.publish(Notice("after", b"x" * 1_000))
                assert (await anext(heard)).topic == "after"

    asyncio.run(work())


def test_a_listener_whose_event_loop_was_closed_is_forgotten() -> None:
    hub = Hub()
    loop = asyncio.new_event_loop()
    heard = hub.listen()
    loop.run_until_complete(anext(heard))
    loop.close()
    hub.publish(Notice("topic", b""))
    assert not hub._listeners
    del heard
    gc.collect()


def test_a_child_has_no_listeners_also_after_a_fork_while_the_lock_is_held() -> None:
    backend = InMemoryStateBackend()

    async def work() -> None:
        async with aclosing(backend.alisten()) as heard:
            await anext(heard)
            with backend._hub._lock:
                assert in_child(lambda: backend.publish("child", b"") is None and not backend._hub._listeners)
            backend.publish("parent", b"")
            assert await anext(heard) == Notice("parent", b"")

    asyncio.run(work())
