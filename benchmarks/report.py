"""Measuring in turns, and printing what was found."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

WIDTH = 58

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rounds:
    """What several works measured, round by round."""

    found: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Return the median of one work."""
        return statistics.median(self.found[name])

    def ratio(self, name: str, peer: str) -> float:
        """Return the median of the ratios of two works of the same round."""
        return statistics.median(a / b for a, b in zip(self.found[name], self.found[peer], strict=True))


def in_turns(rounds: int, works: Mapping[str, Callable[[], float]]) -> Rounds:
    """Let each work measure itself, one after the other, several times.

    Taking turns spreads the noise of the machine over all of them alike.
    """
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            found[name].append(work())
    return Rounds(found)


def per_second(count: int, work: Callable[[], object]) -> float:
    """Return how many of ``count`` things ``work`` does in a second."""
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def each(values: Iterable[T], work: Callable[[T], object]) -> Callable[[], float]:
    """Return a work that measures how many values a second ``work`` takes."""
    listed = list(values)

    def loop() -> None:
        for value in listed:
            work(value)

    return lambda: per_second(len(listed), loop)


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def heading() -> None:
    """Print the names of the columns."""
    print(f"{'':<{WIDTH}}{'ours':>14}{'peer':>14}{'ratio':>8}   aim")


def row(what: str, *, ours: str, peer: str = "", ratio: float | None = None, aim: str = "") -> None:
    """Print one line of a table."""
    shown = "" if ratio is None else f"{ratio:.2f}"
    print(f"{what:<{WIDTH}}{ours:>14}{peer:>14}{shown:>8}   {aim}".rstrip(), flush=True)


def rates(what: str, rounds: Rounds, ours: str, peer: str, aim: str = "") -> None:
    """Print one line that compares two rates."""
    row(
        what,
        ours=f"{rounds.median(ours):,.0f}/s",
        peer=f"{rounds.median(peer):,.0f}/s",
        ratio=rounds.ratio(ours, peer),
        aim=aim,
    )


def percentile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
