"""How the store is doing, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from djust.models import Alert, MemorySample
from djust.monitoring.status.heartbeat import Beat
from djust.monitoring.status.summary import StoreFigures, Summary, switched_off
from djust.monitoring.wording import count, counted, duration, local, share, size

#: Where the texts of a section begin.
INDENT = 11
BAR = 30

#: A sign beside each verdict, for those who do not tell colours apart.
_SIGNS = {
    "well": "OK",
    "starting": "STARTING",
    "attention": "ATTENTION",
    "trouble": "TROUBLE",
    "unknown": "UNKNOWN",
}

Paint = Mapping[str, Callable[[str], str]]


def describe(summary: Summary, *, paint: Paint, width: int) -> list[str]:
    """Return the lines.

    Args:
        summary: What to show.
        paint: A function that colours a text, for each verdict.
        width: Columns of the terminal.
    """
    sign = paint[summary.verdict](_SIGNS[summary.verdict])
    lines = [f"{sign}  {local(summary.at):%Y-%m-%d %H:%M:%S %Z}".rstrip(), *textwrap.wrap(summary.headline, width), ""]
    for title, texts in _sections(summary):
        for number, text in enumerate(texts):
            lines += textwrap.wrap(
                text,
                width,
                initial_indent=(title if number == 0 else "").ljust(INDENT),
                subsequent_indent=" " * (INDENT + len(text) - len(text.lstrip())),
                break_on_hyphens=False,
            )
    return lines


def _sections(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    yield "Sessions", _sessions(summary.store)
    for sample in summary.samples:
        yield "Server", _server(sample, summary.at)
    error = summary.records.error
    if error:
        yield "Database", [f"unavailable: {error}"]
        return
    if not summary.samples:
        yield "Server", ["no sample of the memory yet"]
    yield "Lost", [_losses(summary.losses)]
    if summary.records.evicted is not None:
        yield "Evicted", [f"{counted(summary.records.evicted, 'key')} in 24 h"]
    yield "Alerts", [line for alert in summary.alerts for line in _alert(alert, summary.at)] or ["none open"]
    yield "Tasks", [_beat(beat, summary.at) for beat in summary.heartbeat.beats]
    if remarks := [text for text in _remarks(summary) if text != summary.headline]:
        yield "", remarks
    yield "Clean-up", [_cleanup(summary)]


def _remarks(summary: Summary) -> Iterator[str]:
    if summary.heartbeat.status not in ("ok", "off"):
        yield summary.heartbeat.detail
    yield from switched_off(summary.heartbeat, summary.store)


def _sessions(store: StoreFigures) -> list[str]:
    if store.sessions is None:
        return [f"unavailable: {store.error}"]
    first = f"{count(store.sessions)} live, {count(store.overdue or 0)} overdue"
    if store.overdue and store.oldest_overdue_seconds is not None:
        first += f" (the first for {duration(store.oldest_overdue_seconds)})"
    lines = [first]
    if store.newest_age is not None and store.oldest_age is not None:
        newest, oldest = duration(store.newest_age), duration(store.oldest_age)
        if newest == oldest:
            lines.append(f"last active {oldest} ago")
        else:
            mean = "" if store.average_age is None else f", {duration(store.average_age)} on average"
            lines.append(f"last active {newest} to {oldest} ago{mean}")
    return lines


def _server(sample: MemorySample, now: datetime) -> list[str]:
    age = duration((now - sample.sampled_at).total_seconds())
    lines = [f"{sample.node}, sampled {age} ago" + (f", {sample.policy}" if sample.policy else "")]
    lines.append(_memory(sample))
    if sample.bytes_per_session is not None:
        margin = sample.bytes_per_session_margin
        shown = f"{counted(sample.sessions or 0, 'session')} of {size(sample.bytes_per_session)}"
        lines.append(shown + (f" (+-{size(margin)})" if margin is not None else ""))
    if sample.index_bytes is not None:
        lines[-1] += f", index {size(sample.index_bytes)}"
    if sample.seconds_to_full is not None:
        lines.append(f"full in {duration(sample.seconds_to_full)} at this pace")
    return lines


def _memory(sample: MemorySample) -> str:
    if sample.used_bytes is None:
        return f"memory unavailable: {sample.unavailable.get('used_bytes', 'not known')}"
    if sample.usage is None or sample.limit_bytes is None:
        return f"{size(sample.used_bytes)} used; limit unavailable: {sample.unavailable.get('limit_bytes', 'none')}"
    filled = min(BAR, int(BAR * sample.usage))
    bar = "#" * filled + "." * (BAR - filled)
    return f"[{bar}] {share(sample.usage)}, {size(sample.used_bytes)} of {size(sample.limit_bytes)}"


def _losses(losses: Mapping[str, int]) -> str:
    if not losses:
        return "no session in 24 h"
    causes = ", ".join(f"{count(number)} {cause}" for cause, number in losses.items())
    return f"{counted(sum(losses.values()), 'session')} in 24 h: {causes}"


def _alert(alert: Alert, now: datetime) -> Iterator[str]:
    since = duration((now - (alert.fired_at or alert.pending_since)).total_seconds())
    state = "" if alert.state == Alert.State.FIRING else f", {alert.get_state_display()}"
    yield f"{alert.severity.upper()} {alert.rule} {alert.node}".rstrip() + f" for {since}{state}: {alert.summary}"
    if alert.advice:
        yield f"  {alert.advice}"


def _beat(beat: Beat, now: datetime) -> str:
    last = "never ran" if beat.last_at is None else f"{duration((now - beat.last_at).total_seconds())} ago"
    every = "not scheduled" if beat.every_seconds is None else f"every {duration(beat.every_seconds)}"
    return f"{str(beat.task.label).ljust(26)} {last}, {every}: {beat.status}"


def _cleanup(summary: Summary) -> str:
    run = summary.last_cleanup
    if run is None:
        return "none so far"
    age = duration((summary.at - run.started_at).total_seconds())
    left = run.figures.get("remaining")
    words = [f"{age} ago, {run.get_outcome_display()}", f"{counted(run.removed, 'session')} removed"]
    if left is not None:
        words.append(f"{count(left)} left")
    if run.duration_ms is not None:
        words.append(f"{run.duration_ms:.0f} ms" if run.duration_ms < 1000 else f"{run.duration_ms / 1000:.1f} s")
    return ", ".join(words) + (f": {run.error}" if run.error else "")
