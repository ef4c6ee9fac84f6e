"""Reading what is in the store: what earlier releases wrote, and whatever else may be found there."""

from __future__ import annotations

import json
import pickle
import random
import resource
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import pytest

from djust.codec import MIN_CONTENT_LIMIT, Codec
from djust.exceptions import CodecError, PayloadCorrupt, PayloadTooLarge, PayloadTooNew

CODEC = Codec(warn_bytes=100_000, max_bytes=1_000_000, compress_bytes=2_000)
MEGABYTE = 1024 * 1024

# What format 1 is. A change here means that releases can no longer read each other's sessions.
GOLDEN: dict[str, tuple[dict[Any, Any], str]] = {
    "empty": ({}, "01003fba6cad80"),
    "json": (
        {"n": None, "t": True, "i": [0, -1, 300, 2**63], "f": 1.5, "s": "ąx", "d": {"a": {}}},
        "01003ce4344d86a16ec0a174c3a1699400ffcd012ccf8000000000000000a166cb3ff8000000000000a173a3c48578a16481a16180",
    ),
    "bytes and surrogates": ({"b": b"\x00\xff", "s": "\ud800"}, "010038545fb882a162c40200ffa173a3eda080"),
    "keys": (
        {1: "int", b"1": "bytes", None: 0, 1.5: 0, (1, "a"): 0},
        "010041e55d498501a3696e74c40131a56279746573c000cb3ff80000000000000093c7001001a16100",
    ),
    "large int": (
        {"p": 2**64, "n": -(2**70)},
        "01007f80139182a170c70901010000000000000000a16ec70901c00000000000000000",
    ),
    "decimal": (
        {"d": [Decimal("-0.10"), Decimal("1E+99"), Decimal("Infinity")]},
        "010096ff60c981a16493c705022d302e3130c7050231452b3939d702496e66696e697479",
    ),
    "uuid": ({"u": UUID(int=2**100 + 1)}, "010003cd756681a175d80300000010000000000000000000000001"),
    "datetime": (
        {
            "d": [
                datetime(2024, 2, 29, 1, 2, 3, 4),
                datetime(2024, 1, 1, tzinfo=UTC),
                datetime(2024, 10, 27, 2, 30, fold=1),
            ]
        },
        "0100705b3ea481a16493c71a04323032342d30322d32395430313a30323a30332e303030303034c71904323032342d30312d"
        "30315430303a30303a30302b30303a3030c71504323032342d31302d32375430323a33303a30302031",
    ),
    "zone": (
        {
            "d": datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            "t": time(1, tzinfo=ZoneInfo("UTC")),
        },
        "01001a45ed6582a164c72304323032342d31302d32375430323a33303a30302031204575726f70652f4265726c696ea174c7"
        "0e0630313a30303a3030203020555443",
    ),
    "date, time, timedelta": (
        {"d": date(2024, 2, 29), "t": time(23, 59, 1, fold=1), "l": timedelta(-1, 5, 6)},
        "010042d8428c83a164c70a05323032342d30322d3239a174c70a0632333a35393a30312031a16cc706072d3120352036",
    ),
    "collections": (
        {"t": (1, (), ("x", [2])), "s": {7}, "f": frozenset({(1,)})},
        "0100b02d6b5b83a17494c700100191c7001093c70010a1789102a17392c7001107a16692c7001292c7001001",
    ),
    "compressed": (
        {"v": ["the same"] * 300, "t": (1,)},
        "0101574eae7e00000a9978016b5a5876875167454946aa4271626eea286334104653c2682e18cd05a3b96034178ce682d15c"
        "309a0be89c0b16964c3ace20c0080094f85672",
    ),
}


def envelope(content: bytes, *, version: int = 1, flags: int = 0) -> bytes:
    """Return an envelope with the right checksum around any content."""
    return bytes([version, flags]) + zlib.crc32(content).to_bytes(4, "big") + content


def compressed(content: bytes, *, says: int | None = None) -> bytes:
    size = len(content) if says is None else says
    return envelope(size.to_bytes(4, "big") + zlib.compress(content), flags=1)


@pytest.mark.parametrize("name", GOLDEN)
def test_format_1_is_read_as_it_was_written(name: str) -> None:
    state, payload = GOLDEN[name]
    assert CODEC.decode(bytes.fromhex(payload)) == state


@pytest.mark.parametrize("name", GOLDEN)
def test_format_1_is_written_as_it_will_be_read(name: str) -> None:
    state, payload = GOLDEN[name]
    if name != "compressed":  # releases of zlib differ in what they make of the same input
        assert CODEC.encode(state).hex() == payload


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\1",
        b"\1\0\0\0\0\0",
        pickle.dumps({"a": 1}),
        json.dumps({"a": 1}).encode(),
        zlib.compress(b"x"),
        msgpack.packb({"a": 1}),
        b"some text",
        bytes(100),
        b"\xff" * 100,
    ],
    ids=repr,
)
def test_what_is_not_ours_is_corrupt(body: bytes) -> None:
    with pytest.raises(PayloadCorrupt):
        CODEC.decode(body)


def test_a_newer_format_or_an_unknown_flag_is_too_new() -> None:
    content = msgpack.packb({"a": 1})
    for version in range(2, 16):
        with pytest.raises(PayloadTooNew):
            CODEC.decode(envelope(content, version=version))
    for flags in (2, 3, 128, 255):
        with pytest.raises(PayloadTooNew):
            CODEC.decode(envelope(content, flags=flags))


def test_every_truncation_and_every_flipped_bit_is_noticed() -> None:
    for payload in (CODEC.encode({"a": [1, (2, "x")]}), CODEC.encode({"a": ["x" * 100] * 100})):
        for length in range(len(payload)):
            with pytest.raises(PayloadCorrupt):
                CODEC.decode(payload[:length])
        with pytest.raises(PayloadCorrupt):
            CODEC.decode(payload + b"\0")
        for bit in range(len(payload) * 8):
            damaged = bytearray(payload)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(CodecError):
                CODEC.decode(bytes(damaged))


def ext(code: int, data: bytes = b"") -> bytes:
    return bytes([0xC7, len(data), code]) + data


def state_of(value: bytes) -> bytes:
    return b"\x81\xa1v" + value


@pytest.mark.parametrize(
    "content",
    [
        b"\x90",
        b"\xc0",
        b"\x81",
        b"\x80\x80",
        state_of(b"\xc1"),
        state_of(ext(99)),
        state_of(ext(99, b"x")),
        state_of(ext(16)),
        state_of(ext(16, b"x")),
        state_of(b"\x92\x01" + ext(16)),
        state_of(b"\x93" + ext(16) + ext(16) + b"\x01"),
        state_of(b"\x82" + ext(16) + b"\x01" + ext(16) + b"\x02"),
        state_of(b"\x92" + ext(17) + b"\x90"),
        state_of(b"\xc8\x04\x00\x01" + b"\x7f" * 1_024),
        state_of(ext(2, b"one")),
        state_of(ext(2, "\N{ARABIC-INDIC DIGIT ONE}".encode())),
        state_of(ext(3, b"short")),
        state_of(ext(4, b"2024-13-01T00:00:00")),
        state_of(ext(4, b"2024-01-01T00:00:00 2 UTC")),
        state_of(ext(4, b"2024-01-01T00:00:00 x UTC")),
        state_of(ext(5, b"2024-02-30")),
        state_of(ext(6, b"25:00")),
        state_of(ext(7, b"1 2")),
        state_of(ext(7, b"9999999999 0 0")),
        state_of(ext(7, b"9" * 200 + b" 0 0")),
        state_of(ext(0xFF, b"\x00" * 5)),
        state_of(ext(0xFF, b"\xff" * 12)),
        b"\x81\x90\x01",
        b"\x81\x80\x01",
    ],
    ids=repr,
)
def test_content_that_makes_no_sense_is_corrupt_also_with_the_right_checksum(content: bytes) -> None:
    with pytest.raises(PayloadCorrupt):
        CODEC.decode(envelope(content))


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../UTC",
        "/etc/passwd",
        "../../../etc/passwd",
        "Europe/../UTC",
        "Europe",
        "Mars/Base",
        "zone.tab",
        "UTC\0",
        "UTC ",
        "Europe//Berlin",
        "C:\\x",
        "a/" * 200,
        "\u00e9",
    ],
)
def test_a_time_zone_is_a_name_that_is_known_here(name: str) -> None:
    with pytest.raises(PayloadCorrupt):
        CODEC.decode(envelope(state_of(ext(4, f"2024-01-01T00:00:00 0 {name}".encode()[:255]))))


def test_an_error_says_nothing_of_the_content() -> None:
    for content in (state_of(ext(2, b"canary")), state_of(ext(5, b"canary")), state_of(b"\xa6canary") + b"canary"):
        with pytest.raises(PayloadCorrupt) as caught:
            CODEC.decode(envelope(content))
        assert "canary" not in str(caught.value)
        assert caught.value.__context__ is None


# Bounded memory


@contextmanager
def allocating_at_most(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= limit, f"{peak:,} bytes at the peak"


def test_a_decompression_bomb_is_stopped_at_what_it_declares() -> None:
    bomb = zlib.compress(bytes(300 * MEGABYTE))
    for says in (1, 1_000, MEGABYTE):
        body = envelope(says.to_bytes(4, "big") + bomb, flags=1)
        with allocating_at_most(2 * says + len(bomb) * 4 + 100_000), pytest.raises(PayloadCorrupt):
            CODEC.decode(body)


@pytest.mark.parametrize(
    ("says", "error"),
    [(0, PayloadCorrupt), (MIN_CONTENT_LIMIT + 1, PayloadTooLarge), (2**32 - 1, PayloadTooLarge)],
)
def test_a_length_out_of_bounds_is_not_even_tried(says: int, error: type[CodecError]) -> None:
    body = envelope(says.to_bytes(4, "big") + zlib.compress(bytes(100 * MEGABYTE)), flags=1)
    with allocating_at_most(len(body) * 2 + 100_000), pytest.raises(error):
        CODEC.decode(body)


def test_the_declared_length_must_be_the_true_one() -> None:
    content = msgpack.packb({"a": "x" * 5_000})
    assert CODEC.decode(compressed(content)) == {"a": "x" * 5_000}
    for says in (1, len(content) - 1, len(content) + 1):
        with pytest.raises(PayloadCorrupt):
            CODEC.decode(compressed(content, says=says))
    with pytest.raises(PayloadCorrupt):
        CODEC.decode(envelope(compressed(content)[6:] + b"more", flags=1))
    with pytest.raises(PayloadCorrupt):
        CODEC.decode(envelope(compressed(content)[6:-1], flags=1))


def test_the_bound_on_content_follows_a_larger_max_bytes() -> None:
    state = {"v": bytes(MIN_CONTENT_LIMIT + 1_000)}
    large = Codec(warn_bytes=10**9, max_bytes=MIN_CONTENT_LIMIT * 2, compress_bytes=2_000)
    payload = large.encode(state)
    assert large.decode(payload) == state
    uncompressed = envelope(msgpack.packb(state))
    assert large.decode(uncompressed) == state
    for body in (payload, uncompressed):
        with pytest.raises(PayloadTooLarge):
            CODEC.decode(body)


@pytest.mark.parametrize(
    "content",
    [
        state_of(b"\xdd\x00\x0f\x42\x40" * 200_000),
        state_of(b"\xdf\x00\x07\xa1\x20" * 200_000),
        state_of(b"\xdc\x03\xe8" * 1_000),
        state_of(b"\x91" * 1_000_000),
        state_of(b"\x81" * 1_000_000),
        state_of(b"\xc9\xff\xff\xff\xff\x01" * 1_000),
        state_of((b"\xdc\x03\xe8" + ext(16)) * 500),
    ],
    ids=["array32", "map32", "array16", "nested arrays", "nested maps", "ext32", "tuples"],
)
def test_lengths_that_lie_cost_little(content: bytes) -> None:
    with allocating_at_most(100 * MEGABYTE), pytest.raises(PayloadCorrupt):
        CODEC.decode(envelope(content))


def test_a_small_payload_that_declares_much_costs_little() -> None:
    with allocating_at_most(10 * MEGABYTE), pytest.raises(PayloadCorrupt):
        CODEC.decode(envelope(state_of(b"\xdc\x01\xf4" * 160)))


# One million mutations


def corpus() -> list[bytes]:
    """Return payloads of every type, plain and compressed, and some that are no payloads."""
    everything = {
        "none": None,
        "numbers": [0, -1, 2**63, -(2**200), 1.5, float("inf"), Decimal("12.50"), Decimal("1E+99")],
        "text": ["", "plain", "ąćę\U0001f600", "\ud800", b"", b"\x00\xff" * 9],
        "times": [
            datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 1, 1, 1, 1),
            date(2024, 2, 29),
            time(23, 59, fold=1),
            timedelta(days=-1, microseconds=5),
        ],
        "sets": [set(), {1, (2,)}, frozenset({"x", b"y", None})],
        "tuples": ((), (1, (2, ([3],)))),
        "keys": {1: 1, (1, 2): 2, None: 3, b"x": 4, Decimal(1) / 4: 5, frozenset({1}): 6},
        "id": UUID(int=2**100),
    }
    cart = {"cart": [{"sku": f"A-{n}", "quantity": n, "price": Decimal("19.99")} for n in range(40)]}
    plain = Codec(warn_bytes=10**9, max_bytes=10**9, compress_bytes=10**9)
    squeezed = Codec(warn_bytes=10**9, max_bytes=10**9, compress_bytes=1)
    states = [{}, {"count": 1}, everything, cart, {"deep": [[[[[[(((1,),),)]]]]]]}, {"long": "x" * 700}]
    return [
        *(codec.encode(state) for codec in (plain, squeezed) for state in states),
        envelope(b"\x00\x00\x10\x00" + zlib.compress(bytes(4_096)), flags=1),
        pickle.dumps(everything),
        json.dumps({"a": 1}).encode(),
    ]


def mutated(rng: random.Random, bodies: list[bytes]) -> bytes:
    body = bytearray(rng.choice(bodies))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        size = len(body)
        kind = rng.randrange(6)
        if kind == 0 and size:
            body[rng.randrange(size)] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            body[rng.randrange(size)] = rng.choice(INTERESTING)
        elif kind == 2 and size:
            del body[rng.randrange(size) :]
        elif kind == 3 and size:
            start = rng.randrange(size)
            del body[start : start + rng.randrange(1, 9)]
        elif kind == 4:
            at = rng.randrange(size + 1)
            body[at:at] = rng.randbytes(rng.randrange(1, 9))
        else:
            other = rng.choice(bodies)
            start = rng.randrange(len(other))
            at = rng.randrange(size + 1)
            body[at : at + rng.randrange(32)] = other[start : start + rng.randrange(64)]
    if rng.random() < 0.5 and len(body) > 6:
        body[0] = 1
        body[1] &= 1
        body[2:6] = zlib.crc32(memoryview(body)[6:]).to_bytes(4, "big")
    return bytes(body)


#: The first bytes of MessagePack's containers and extension values, and the ends of ranges.
INTERESTING = bytes([0, 1, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x91, 0x9F, 0xA0, 0xBF, *range(0xC0, 0xE1), 0xFF])


def test_a_million_mutations_raise_codec_errors_and_nothing_else() -> None:
    rng = random.Random(20_240_229)
    bodies = corpus()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = refused = 0
    for _ in range(1_000_000):
        body = mutated(rng, bodies)
        try:
            state = CODEC.decode(body)
        except CodecError:
            refused += 1
        else:
            assert type(state) is dict
            read += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100 * 1024, f"{grown} KiB more at the peak"
    # The right checksum lets many through to MessagePack, and some of those still are a state.
    assert refused > 500_000
    assert read > 10_000
