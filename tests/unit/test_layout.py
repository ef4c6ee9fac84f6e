"""Golden bytes of format 1: what a release before or after this one writes must be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from djust.exceptions import PayloadCorrupt, PayloadTooNew
from djust.state_backend.redis.layout import Layout, parse_header, parse_member, parse_record

CREATED = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
HEADER = bytes.fromhex(
    "646a0100"  # magic, format, flags
    "0123456789abcdef"  # version
    "0000019ab4ed6c00"  # created
    "0000019ab4ed6fe8"  # last activity
    "0000019ab524626800000000"  # deadline, and half of the ttl
    "0036ee80"  # the other half: an hour
    "0042"  # offset of the body
    "2a"  # bucket of the owner
    "00050007"  # lengths of owner and label
    "6164613432"  # ada42
    "73686f702e5678"  # shop.Vx
    "ffff62"  # what a later release may have put before the body
)
MEMBER = bytes.fromhex("019ab4ed6c002a00030005") + b"key" + b"ada42" + b"shop.Vx"
CREATED_MS = 0x019AB4ED6C00


def test_a_header_is_read() -> None:
    header = parse_header(HEADER + b"body")
    assert header.version == 0x0123456789ABCDEF
    assert (header.created, header.active) == (CREATED_MS, CREATED_MS + 1000)
    assert header.ttl == 3_600_000
    assert (header.owner, header.label, header.marked) == ("ada42", "shop.Vx", False)
    assert (HEADER + b"body")[header.body_offset :] == b"body"
    session = header.session("key", {})
    assert session.ttl == timedelta(hours=1)
    assert session.created_at.tzinfo is UTC


def test_no_deadline_and_no_names() -> None:
    raw = bytearray(HEADER[:51])
    raw[28:44] = bytes(16)
    raw[44:46] = (51).to_bytes(2)
    raw[47:51] = bytes(4)
    session = parse_header(bytes(raw)).session("key", {})
    assert (session.expires_at, session.ttl, session.owner, session.label) == (None, None, None, None)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b"", PayloadCorrupt),
        (HEADER[:50], PayloadCorrupt),
        (b"XX" + HEADER[2:], PayloadCorrupt),
        (HEADER[:2] + b"\x02" + HEADER[3:], PayloadTooNew),
        (HEADER[:44] + b"\x00\x00" + HEADER[46:], PayloadCorrupt),
        (HEADER[:44] + b"\xff\xff" + HEADER[46:], PayloadCorrupt),
        (HEADER[:51] + b"\xff" * 15 + b"body", PayloadCorrupt),
    ],
)
def test_what_is_no_header_is_said(payload: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_header(payload)


def test_a_member_is_read() -> None:
    member = parse_member(MEMBER)
    assert (member.created, member.key, member.owner, member.label) == (CREATED_MS, "key", "ada42", "shop.Vx")


@pytest.mark.parametrize(
    ("kind", "deadline", "cause"),
    [
        (b"x", CREATED_MS + 500, "idle"),
        (b"x", CREATED_MS + 5000, "max_age"),
        (b"i", CREATED_MS + 5000, "idle"),
        (b"e", CREATED_MS + 5000, "evicted"),
    ],
)
def test_a_record_says_why_a_session_is_over(kind: bytes, deadline: int, cause: str) -> None:
    gone = parse_record(kind + deadline.to_bytes(8) + (0).to_bytes(8) + MEMBER, 5000, "evicted")
    assert (gone.key, gone.owner, gone.label, gone.cause) == ("key", "ada42", "shop.Vx", cause)
    assert gone.last_active_at is None
    assert gone.expired is (cause != "evicted")


@pytest.mark.parametrize("key", ["plain", "with:colon", "with\nnewline", "with {brace}:s:", "ünï"])
def test_a_name_leads_back_to_its_key(key: str) -> None:
    layout = Layout("djust:")
    name = layout.shard(key.encode()).payload(key.encode())
    assert layout.parse_payload(name) == (layout.shard(key.encode()), key.encode())


@pytest.mark.parametrize(
    "name", [b"djust:{00}:due", b"djust:{zz}:s:key", b"other:{00}:s:key", b"djust:{00}:s:wrong shard"]
)
def test_other_names_are_not_ours(name: bytes) -> None:
    assert Layout("djust:").parse_payload(name) is None
