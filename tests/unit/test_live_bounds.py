"""How much a socket may send, how much a page remembers, and how many messages a redirect carries."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages.storage.base import Message
from django.core import signing

from djust.live_view.carried import carried_messages, carry
from djust.live_view.errors import Refused
from djust.live_view.limits import FrameBudget
from djust.live_view.protocol import Close
from djust.live_view.stored import MAX_CLIENTS, PageRecord, pack, unpack

# Limits


def taken(budget: FrameBudget, now: float, *, rate: float = 10, burst: int = 5) -> int:
    """Return how many frames can be taken at a time."""
    count = 0
    while count < 1_000:
        try:
            budget.take(now, rate, burst)
        except Refused as refused:
            assert refused.code == Close.TOO_MANY  # noqa: PT017 - the loop ends with it
            return count
        count += 1
    return count


def test_a_burst_is_free_and_then_the_rate_counts() -> None:
    assert taken(FrameBudget(100.0, 5), 100.0) == 5
    budget = FrameBudget(100.0, 5)
    for tick in range(100):
        budget.take(100.0 + tick * 0.1, 10, 5)


def test_who_waits_for_long_has_one_burst_and_no_more() -> None:
    assert taken(FrameBudget(0.0, 5), 1e9) == 5


def test_half_a_frame_is_none() -> None:
    budget = FrameBudget(0.0, 1)
    budget.take(0.0, 10, 1)
    with pytest.raises(Refused, match="10 frames a second, and 1 at once"):
        budget.take(0.05, 10, 1)


# Records


def test_events_are_recognised_by_client_and_number() -> None:
    record = PageRecord(shape="1-a", uri="/")
    assert not record.has_seen("a", 1)
    record.note("a", 3)
    assert [record.has_seen("a", number) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert not record.has_seen("b", 1)


def test_the_clients_that_were_quiet_for_longest_are_forgotten() -> None:
    record = PageRecord(shape="1-a", uri="/")
    record.note("mine", 1)
    for number in range(1_000):
        record.note(f"client{number}", 1)
        record.note("mine", number + 2)
    assert len(record.seen) == MAX_CLIENTS
    assert record.seen["mine"] == 1_001


def test_a_record_comes_back_as_it_was() -> None:
    record = PageRecord(
        shape="1-a", uri="/ü?a=b", seen={"a": 2**53 - 1}, topics=["x"], language="de", timezone="Europe/Berlin"
    )
    stored = pack({"count": 3}, record)
    assert stored["count"] == 3
    assert unpack(stored) == record
    # What is stored does not change with the record.
    record.note("b", 1)
    assert unpack(stored) != record


@pytest.mark.parametrize("runtime", [None, [], "x", {}, {"shape": "1-a"}, {"uri": "/"}])
def test_what_is_no_page_has_no_record(runtime: Any) -> None:
    assert unpack({"count": 3}) is None
    assert unpack({"count": 3, "_live": runtime}) is None


def test_what_a_later_release_added_is_left_alone() -> None:
    stored = pack({}, PageRecord(shape="1-a", uri="/"))
    stored["_live"]["later"] = 3
    assert unpack(stored) == PageRecord(shape="1-a", uri="/")


# Messages on their way


def test_messages_arrive_with_level_and_tags() -> None:
    text = carry([Message(20, "Saved <b>", extra_tags="big"), Message(40, "No")])
    assert carried_messages(text) == [[20, "Saved <b>", "big"], [40, "No", ""]]


def test_no_messages_need_no_header() -> None:
    assert carry([]) is None
    assert carried_messages(None) == []
    assert carried_messages("") == []


def test_what_a_header_cannot_hold_is_left_out_from_the_end() -> None:
    texts = [signing.get_cookie_signer(salt=str(number)).sign("x" * 100) for number in range(200)]
    text = carry(Message(20, text) for text in texts)
    assert text is not None
    assert len(text) <= 4_000
    arrived = [found[1] for found in carried_messages(text)]
    assert 0 < len(arrived) < 200
    assert arrived == texts[: len(arrived)]
    assert carry([Message(20, "".join(texts))]) is None


def test_messages_that_nobody_signed_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    text = carry([Message(20, "Saved")])
    assert text is not None
    forged = signing.dumps([[20, "Pay here", ""]], salt="other")
    for wrong in (text[:-1], text + "x", "." + text, "x", ":::", "é", "\0", forged, "x" * 100_000):
        assert carried_messages(wrong) == []
    monkeypatch.setattr("django.core.signing.time.time", lambda: 4e9)
    assert carried_messages(text) == []
