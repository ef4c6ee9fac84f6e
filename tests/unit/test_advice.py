"""The arithmetic of the advice, and the figures in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djust.monitoring import wording
from djust.monitoring.alerting.advice import FILL, SHORTEST_TTL, make_room, sizing
from djust.monitoring.reading import ServerReading
from tests.unit.monitoring_support import MB, NODE, reading, server


def test_the_advice_shows_its_arithmetic() -> None:
    one = server(
        sessions=12_400,
        bytes_per_session=1806.0,
        bytes_per_session_margin=156.0,
        index_bytes=12_400 * 140,
        used_bytes=58 * MB,
        limit_bytes=64 * MB,
    )
    assert make_room(one, reading(one, peak_sessions=15_000)) == (
        "12,400 sessions x 1.9 kB (+-8 %, index included) = 23 MB now, 35 MB of other data, the peak of 15,000 needs "
        "63 MB in all: raise maxmemory from 64mb to 128mb, or lower SESSION_TTL from 3600 to 1680"
    )


def test_a_full_server_is_given_more_than_it_could_show_a_need_for() -> None:
    full = server(used_bytes=100 * MB, sessions=48_000, index_bytes=48_000 * 150)
    text = make_room(full, reading(full, peak_sessions=48_000))
    assert "raise maxmemory from 100mb to 192mb" in text
    assert "a full server shows no more sessions than fit, so it may need more" in text


def test_what_fits_is_not_told_to_grow() -> None:
    one = server()
    assert "there is room for that now, below 75 % of the limit" in make_room(one, reading(one))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"sessions": 100_000},
            "15 GB of other data, the peak of 120,000 needs 15 GB in all: 15 GB of the machine's 16 GB are no "
            "sessions, so look for what fills it (redis-cli --bigkeys), or give the sessions a server of their own, "
            "for which a maxmemory of 320mb is enough",
        ),
        (
            {"sessions": 6_000_000},
            "the machine's 16 GB are too few for that, so spread the sessions over more servers, or lower SESSION_TTL "
            "from 3600 to 2100",
        ),
    ],
)
def test_a_machine_is_not_given_more_than_it_has(changes: dict[str, int], words: str) -> None:
    machine = {"limit_source": "system", "used_bytes": 15 * 1024 * MB, "limit_bytes": 16 * 1024 * MB}
    one = server(**machine | changes, index_bytes=150 * changes["sessions"])
    assert make_room(one, reading(one, peak_sessions=round(changes["sessions"] * 1.2))).endswith(words)


def test_sessions_that_never_expire_should() -> None:
    one = server(used_bytes=85 * MB)
    assert make_room(one, reading(one, session_ttl_seconds=0)).endswith(
        "or give SESSION_TTL a value, since sessions never expire"
    )


def test_each_server_of_a_cluster_gets_its_part_of_the_peak() -> None:
    small, large = server(sessions=10_000), server(node="10.0.0.6:6379", sessions=30_000)
    what = reading(small, large, peak_sessions=60_000)
    assert [sizing(one, what).peak_sessions for one in (small, large)] == [15_000, 45_000]


def test_the_part_of_the_peak_is_not_guessed_without_the_others() -> None:
    one, silent = server(), server(node="10.0.0.6:6379", sessions=None)
    assert sizing(one, reading(one, silent)).peak_sessions is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sessions": None}, "The number of sessions is not known: raise maxmemory or lower SESSION_TTL; by how much"),
        ({"bytes_per_session": None}, "20,000 sessions of unknown size: raise maxmemory or lower SESSION_TTL"),
        ({"bytes_per_session": None}, "(unknown: bytes per session, used memory)"),
        ({"bytes_per_session_margin": None}, "20,000 sessions x 2.0 kB (index included) = 38 MB now"),
        ({"index_bytes": None}, "20,000 sessions x 1.8 kB (+-9 %, index not known) = 35 MB now"),
        ({"used_bytes": None}, "(unknown: used memory)"),
        ({"limit_bytes": None, "limit_source": ""}, "set maxmemory to 128mb"),
        ({"limit_source": "setting"}, "get a server with 128 MB (MEMORY_LIMIT_BYTES), or lower SESSION_TTL"),
        (
            {"limit_source": "system"},
            "spread the sessions over more servers, or lower SESSION_TTL from 3600 to 3300",
        ),
        ({}, "raise maxmemory from 100mb to 128mb, or lower SESSION_TTL from 3600 to 3300"),
    ],
)
def test_what_is_not_known_is_said(changes: dict[str, Any], words: str) -> None:
    one = server(**{"used_bytes": 60 * MB} | changes)
    assert words in make_room(one, reading(one))


def test_without_samples_there_is_still_advice() -> None:
    nothing = ServerReading(node=NODE, samples=[])
    assert "unknown: sessions, bytes per session, used memory, peak of the last week, limit" in make_room(
        nothing, reading(nothing)
    )


@given(
    sessions=st.integers(1, 10**6),
    peak=st.integers(1, 10**7),
    payload=st.floats(50, 10**5),
    used=st.integers(10**6, 10**11),
    limit=st.integers(10**6, 10**11),
    ttl=st.integers(-1, 10**6),
)
def test_what_is_proposed_makes_room(
    sessions: int, peak: int, payload: float, used: int, limit: int, ttl: int
) -> None:
    one = server(
        sessions=sessions, bytes_per_session=payload, index_bytes=150 * sessions, used_bytes=used, limit_bytes=limit
    )
    found = sizing(one, reading(one, peak_sessions=peak, session_ttl_seconds=ttl))
    assert found.peak_bytes is not None
    assert found.peak_sessions is not None
    assert found.other_bytes is not None
    if found.proposed_limit is not None:
        assert found.proposed_limit > limit
        assert found.proposed_limit % (64 * MB) == 0 or found.proposed_limit in (2**n * MB for n in range(6))
        assert found.peak_bytes <= found.proposed_limit * FILL
    if found.proposed_ttl is not None:
        assert SHORTEST_TTL * ttl - 300 < found.proposed_ttl < ttl
        fewer = found.peak_sessions * found.proposed_ttl / ttl
        assert found.other_bytes + fewer * (payload + 150) <= limit * FILL * 1.000001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (wording.size(999), "999 bytes"),
        (wording.size(1900), "1.9 kB"),
        (wording.size(310 * MB), "310 MB"),
        (wording.size(5 * 1024**4), "5.0 TB"),
        (wording.figure(1_209_600.0), "1,209,600"),
        (wording.figure(0.95), "0.95"),
        (wording.figure(1.43512), "1.435"),
        (wording.counted(1, "key"), "1 key"),
        (wording.counted(12_400, "key"), "12,400 keys"),
        (wording.duration(59.4), "59 s"),
        (wording.duration(90), "1 min 30 s"),
        (wording.duration(3000), "50 min"),
        (wording.duration(4800), "1 h 20 min"),
        (wording.duration(90_000), "1 d 1 h"),
        (wording.share(0.8996), "89.9 %"),
        (wording.share(1.0), "100 %"),
        (wording.maxmemory(384 * MB), "384mb"),
        (wording.maxmemory(2048 * MB), "2gb"),
    ],
)
def test_figures_are_written_for_people(text: str, expected: str) -> None:
    assert text == expected
