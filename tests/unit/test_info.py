"""Figures of servers that answer otherwise than Redis does."""

from __future__ import annotations

from typing import Any

import pytest

from djust.monitoring.info import COUNTERS, NO_LIMIT, NOT_GIVEN, REPLICA, SMALL, Figures, read_info
from djust.state_backend.monitor import ServerInfo

MIB = 1024 * 1024


def answer(**fields: Any) -> Figures:
    """Return the figures of a server that answers so."""
    return read_info(ServerInfo(node="one", fields=fields))


@pytest.mark.parametrize("fields", [{}, {"used_memory": -1, "evicted_keys": "-1"}, {"used_memory": "many"}])
def test_a_figure_that_the_server_does_not_know_is_null_with_the_reason(fields: dict[str, Any]) -> None:
    figures = answer(**fields)
    for name in ("used_bytes", "rss_bytes", "policy", "clients"):
        assert figures.values[name] is None
        assert figures.unavailable[name] == NOT_GIVEN
    assert figures.counters == {}
    assert set(COUNTERS) <= set(figures.unavailable)
    assert figures.unavailable["limit_bytes"] == NO_LIMIT


def test_a_server_that_may_not_be_asked_says_why() -> None:
    figures = read_info(ServerInfo(node="one", fields={}, refused="It was refused."))
    assert set(figures.unavailable.values()) == {"It was refused."}


def test_what_is_zero_is_zero() -> None:
    figures = answer(used_memory="0", evicted_keys="0", connected_clients="0")
    assert (figures.values["used_bytes"], figures.values["clients"], figures.counters) == (0, 0, {"evicted": 0})


@pytest.mark.parametrize(
    ("fields", "setting", "limit", "source"),
    [
        ({"maxmemory": "100", "total_system_memory": "900"}, None, 100, "maxmemory"),
        ({"maxmemory": "100"}, 50, 100, "maxmemory"),
        ({"maxmemory": "0", "total_system_memory": "900"}, 50, 50, "setting"),
        ({"maxmemory": "0", "total_system_memory": "900"}, None, 900, "system"),
    ],
)
def test_where_the_limit_comes_from(fields: dict[str, Any], setting: int | None, limit: int, source: str) -> None:
    figures = read_info(ServerInfo(node="one", fields=fields), memory_limit_bytes=setting)
    assert (figures.values["limit_bytes"], figures.values["limit_source"]) == (limit, source)


def test_a_replica_has_no_limit_of_its_own() -> None:
    figures = answer(role="slave", maxmemory="100", maxmemory_policy="allkeys-lru")
    assert (figures.values["limit_bytes"], figures.values["policy"]) == (None, None)
    assert figures.unavailable["limit_bytes"] == figures.unavailable["policy"] == REPLICA


def test_fragmentation_of_a_small_server_means_nothing() -> None:
    small = answer(used_memory=str(MIB), used_memory_rss=str(8 * MIB))
    assert small.values["fragmentation"] is None
    assert small.unavailable["fragmentation"] == SMALL
    assert answer(used_memory=str(10 * MIB), used_memory_rss=str(15 * MIB)).values["fragmentation"] == 1.5
