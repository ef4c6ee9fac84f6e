"""Measuring in turns, and printing what was found."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def per_second(count: int, work: Callable[[], object]) -> float:
    """Return how many of ``count`` things ``work`` does in a second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def in_turns(rounds: int, works: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Let each work measure itself, one after the other, several times; return the medians.

    Taking turns spreads the noise of the machine over all of them alike.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            found[name].append(work())
    return {name: statistics.median(values) for name, values in found.items()}


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def row(what: str, *, ours: str, peer: str = "", ratio: float | None = None, aim: str = "") -> None:
    """Print one line of a table."""
    shown = "" if ratio is None else f"{ratio:.2f}"
    print(f"{what:<46}{ours:>16}{peer:>16}{shown:>8}  {aim}", flush=True)


def heading() -> None:
    """Print the names of the columns."""
    print(f"{'':<46}{'ours':>16}{'peer':>16}{'ratio':>8}  aim")


def rate(value: float) -> str:
    """Return a rate for people."""
    return f"{value:,.0f}/s"


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
