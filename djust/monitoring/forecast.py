"""When the memory will be full, at the pace of the last samples."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

#: Samples, and seconds between the first and the last, below which there is no forecast.
FEWEST_POINTS = 10
SHORTEST_SPAN_SECONDS = 600.0

#: A forecast further away than this says nothing that anybody could act on.
FURTHEST_SECONDS = 30 * 86_400.0


def seconds_to_full(points: Sequence[tuple[float, float]], limit: float) -> float | None:
    """Return in how many seconds the memory is full, or ``None`` if it does not clearly grow.

    The pace is the median of the slopes between all pairs of points (Theil 1950, Sen 1968), which a few outliers do
    not move. Where a quarter of the slopes point down, the memory breathes rather than grows.

    Args:
        points: Seconds and bytes used, in the order of time; the last one is now.
        limit: Bytes.
    """
    if len(points) < FEWEST_POINTS or points[-1][0] - points[0][0] < SHORTEST_SPAN_SECONDS:
        return None
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] > earlier[0]
    ]
    lower, median, _ = quantiles(slopes, n=4)
    if lower <= 0:
        return None
    seconds = max(0.0, limit - points[-1][1]) / median
    return seconds if seconds <= FURTHEST_SECONDS else None
