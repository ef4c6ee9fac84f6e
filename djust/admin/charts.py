"""Charts over a stretch of time: what the page draws, and the same figures as tables and as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from django.utils.translation import gettext as _

from djust.admin.figures import number, percent, size_of
from djust.admin.timeline import Interval, Timeline, fullest_of

#: A line ends where the next point is more than this many usual distances away: nobody looked in between.
GAP = 2.5

_MEGABYTE, _GIGABYTE = 2**20, 2**30


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one set of bars."""

    name: str
    #: ``"area"``, ``"line"``, ``"limit"`` (dashed) or ``"bar"``.
    look: str
    value: Callable[[Interval], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart."""

    name: str
    title: str
    unit: str
    #: What it shows, in words.
    summary: str
    series: Sequence[Series] = ()
    intervals: Sequence[Interval] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    #: Why there is nothing to see.
    empty: str = ""
    #: What it counts over, or else what a reader should know.
    note: str = ""


def make_charts(timeline: Timeline, empty: Mapping[str, str]) -> list[Chart]:
    """Return the charts of the overview.

    Args:
        timeline: The figures.
        empty: Name of a chart: what to say where there is nothing to see.
    """
    return [make(timeline, empty[name]) for name, make in _CHARTS.items()]


def drawing(timeline: Timeline, charts: Sequence[Chart]) -> dict[str, Any]:
    """Return what the script on the page needs, as JSON-like values. Times are milliseconds since 1970."""
    span, now = timeline.range, timeline.now
    return {
        "start": _milliseconds(span.start(now).timestamp()),
        "end": _milliseconds(span.end(now).timestamp()),
        "step": _milliseconds(span.step.total_seconds()),
        "marks": [[_milliseconds(moment.timestamp()), text] for moment, text in span.marks(now)],
        "charts": [
            {
                "name": chart.name,
                "unit": chart.unit,
                "series": [{"name": series.name, "look": series.look} for series in chart.series],
                "points": _points(timeline, chart),
            }
            for chart in charts
            if not chart.empty
        ],
    }


def _points(timeline: Timeline, chart: Chart) -> list[list[Any]]:
    """Return a row for each point: its time, its name, a value for each series. Gaps are rows of nothing."""
    middle = timeline.range.step.total_seconds() / 2
    seconds = [interval.at.timestamp() + middle for interval in chart.intervals]
    usual = median(after - before for before, after in pairwise(seconds)) if len(seconds) > 1 else 0
    rows: list[list[Any]] = []
    for moment, interval in zip(seconds, chart.intervals, strict=True):
        if rows and moment - rows[-1][0] > GAP * usual:
            rows.append([(moment + rows[-1][0]) / 2, "", *[None] * len(chart.series)])
        values = [_rounded(series.value(interval)) for series in chart.series]
        rows.append([moment, timeline.range.name_of(interval.at), *values])
    return [[_milliseconds(moment), *rest] for moment, *rest in rows]


def _memory(timeline: Timeline, empty: str) -> Chart:
    several = len(timeline.nodes) > 1
    title = _("Memory of the fullest server") if several else _("Memory")
    seen = [interval for interval in timeline.intervals if interval.used_bytes is not None]
    if not seen:
        return Chart(name="memory", title=title, unit="", summary="", empty=empty)
    most = max(max(interval.used_bytes or 0, interval.limit_bytes or 0) for interval in seen)
    unit, size = ("GB", _GIGABYTE) if most >= 10 * _GIGABYTE else ("MB", _MEGABYTE)
    headings = [_("Used"), _("Limit"), _("Usage"), *([_("Server")] if several else [])]
    return Chart(
        name="memory",
        title=title,
        unit=unit,
        summary=_memory_in_words(timeline, seen),
        note=_("The highest in each %(step)s") % {"step": timeline.range.step_label},
        series=[
            Series(_("Used"), "area", lambda interval: _scaled(interval.used_bytes, size)),
            Series(_("Limit"), "limit", lambda interval: _scaled(interval.limit_bytes or None, size)),
        ],
        intervals=seen,
        headings=headings,
        rows=_rows(
            timeline,
            seen,
            lambda interval: [
                size_of(interval.used_bytes),
                size_of(interval.limit_bytes) if interval.limit_bytes else _("none"),
                percent(interval.usage),
                *([interval.node] if several else []),
            ],
        ),
    )


def _memory_in_words(timeline: Timeline, seen: Sequence[Interval]) -> str:
    words = []
    last, worst = fullest_of(timeline.latest), max(seen, key=lambda interval: interval.usage or 0)
    if last is not None and last.limit_bytes:
        words.append(
            _("Latest: %(used)s of %(limit)s (%(usage)s).")
            % {
                "used": size_of(last.used_bytes),
                "limit": size_of(last.limit_bytes),
                "usage": percent(last.usage),
            }
        )
    elif last is not None:
        words.append(_("Latest: %(used)s; the server has no limit.") % {"used": size_of(last.used_bytes)})
    if worst.usage:
        words.append(
            _("Highest: %(usage)s (%(when)s).")
            % {"usage": percent(worst.usage), "when": timeline.range.name_of(worst.at)}
        )
    return " ".join(words)


def _losses(timeline: Timeline, empty: str) -> Chart:
    title = _("Evictions and lost sessions")
    seen = [interval for interval in timeline.intervals if interval.evicted is not None or interval.lost is not None]
    if not seen:
        return Chart(name="losses", title=title, unit="", summary="", empty=empty)
    evicted, lost = _total(interval.evicted for interval in seen), _total(interval.lost for interval in seen)
    summary = _("Keys evicted: %(evicted)s. Live sessions lost: %(lost)s.") % {
        "evicted": _("not known") if evicted is None else number(evicted),
        "lost": _("not known") if lost is None else number(lost),
    }
    eventful = [interval for interval in seen if interval.evicted or interval.lost]
    return Chart(
        name="losses",
        title=title,
        unit="",
        summary=summary,
        note=_("Per %(step)s. An evicted key costs a session only if that was still alive")
        % {"step": timeline.range.step_label},
        series=[
            Series(_("Evicted keys"), "bar", lambda interval: interval.evicted),
            Series(_("Lost sessions"), "bar", lambda interval: interval.lost),
        ],
        intervals=seen,
        headings=[_("Evicted keys"), _("Lost sessions")],
        rows=_rows(timeline, eventful, lambda interval: [number(interval.evicted), number(interval.lost)]),
    )


def _sessions(timeline: Timeline, empty: str) -> Chart:
    title = _("Live sessions")
    seen = [interval for interval in timeline.intervals if interval.sessions is not None]
    if not seen:
        return Chart(name="sessions", title=title, unit="", summary="", empty=empty)
    counts, latest = [round(interval.sessions or 0) for interval in seen], timeline.sessions_now
    words = []
    if latest is not None:
        words, counts = [_("Latest sample: %(latest)s.") % {"latest": number(latest)}], [*counts, latest]
    words.append(_("Between %(least)s and %(most)s.") % {"least": number(min(counts)), "most": number(max(counts))})
    return Chart(
        name="sessions",
        title=title,
        unit="",
        summary=" ".join(words),
        note=_("The mean of each %(step)s") % {"step": timeline.range.step_label},
        series=[Series(_("Live sessions"), "area", lambda interval: interval.sessions)],
        intervals=seen,
        headings=[_("Live sessions")],
        rows=_rows(timeline, seen, lambda interval: [_whole(interval.sessions)]),
    )


def _cleanups(timeline: Timeline, empty: str) -> Chart:
    title = _("Clean-ups and their backlog")
    seen = [interval for interval in timeline.intervals if interval.cleanups]
    if not seen:
        return Chart(name="cleanups", title=title, unit="", summary="", empty=empty)
    left = max((interval.left for interval in seen if interval.left is not None), default=None)
    summary = _("%(runs)s clean-ups removed %(removed)s expired sessions.") % {
        "runs": number(sum(interval.cleanups for interval in seen)),
        "removed": number(sum(interval.removed or 0 for interval in seen)),
    }
    if left:
        summary += " " + _("At most %(left)s were left for the next.") % {"left": number(left)}
    elif left == 0:
        summary += " " + _("Each finished its work.")
    return Chart(
        name="cleanups",
        title=title,
        unit="",
        summary=summary,
        note=_("Sessions per %(step)s") % {"step": timeline.range.step_label},
        series=[
            Series(_("Removed"), "bar", lambda interval: interval.removed),
            Series(_("Left for the next (most)"), "line", lambda interval: interval.left),
        ],
        intervals=seen,
        headings=[_("Clean-ups"), _("Removed"), _("Left for the next (most)")],
        rows=_rows(
            timeline,
            seen,
            lambda interval: [number(interval.cleanups), number(interval.removed), number(interval.left)],
        ),
    )


def _rows(
    timeline: Timeline, intervals: Sequence[Interval], cells: Callable[[Interval], list[str]]
) -> list[list[str]]:
    """Return a row of text for each interval, the latest first."""
    return [[timeline.range.name_of(interval.at), *cells(interval)] for interval in reversed(intervals)]


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _scaled(value: int | None, size: int) -> float | None:
    return None if value is None else value / size


def _whole(value: float | None) -> str:
    return number(None if value is None else round(value))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


_CHARTS: dict[str, Callable[[Timeline, str], Chart]] = {
    "memory": _memory,
    "losses": _losses,
    "sessions": _sessions,
    "cleanups": _cleanups,
}
