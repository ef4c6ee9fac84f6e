"""When the memory will be full."""

from __future__ import annotations

import random

import pytest

from djust.monitoring.forecast import FEWEST_POINTS, seconds_to_full

MINUTE = 60.0


def line(slope: float, count: int = 60, noise: float = 0.0) -> list[tuple[float, float]]:
    """Return samples a minute apart that grow by ``slope`` bytes a second."""
    choose = random.Random(1)
    return [(i * MINUTE, 1000 + slope * i * MINUTE + choose.uniform(-noise, noise)) for i in range(count)]


def test_a_steady_growth_is_followed_to_the_limit() -> None:
    points = line(2.0)
    assert seconds_to_full(points, points[-1][1] + 7200) == pytest.approx(3600)


def test_outliers_do_not_move_it() -> None:
    points = line(2.0, noise=50)
    for number in (5, 25, 45):
        points[number] = (points[number][0], 10**9)
    assert seconds_to_full(points, points[-1][1] + 7200) == pytest.approx(3600, rel=0.1)


def test_what_breathes_does_not_grow() -> None:
    points = [(i * MINUTE, 1000.0 + 500 * (i % 6)) for i in range(60)]
    assert seconds_to_full(points, 10_000) is None


@pytest.mark.parametrize("points", [line(0.0), line(-1.0), line(2.0, FEWEST_POINTS - 1), []])
def test_what_does_not_grow_or_is_not_known_has_no_forecast(points: list[tuple[float, float]]) -> None:
    assert seconds_to_full(points, 10**9) is None


def test_a_forecast_for_next_year_is_none() -> None:
    assert seconds_to_full(line(0.001), 10**9) is None


def test_what_is_full_is_full_now() -> None:
    points = line(2.0)
    assert seconds_to_full(points, points[-1][1] - 10) == 0
