"""A uniform sample of live sessions: what their payloads occupy, and how many are gone. No I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from djust.state_backend.redis.calls import Call, run
from djust.state_backend.redis.layout import Shard, parse_member
from djust.state_backend.redis.scripts import MEMORY

#: Standard normal quantile of a two-sided 95 % interval.
Z = 1.96


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a sample of ``asked`` among ``total`` sessions told."""

    total: int
    asked: int
    #: Bytes and key of each session whose payload is there.
    measured: list[tuple[int, str]]

    @property
    def missing(self) -> int:
        """How many of the sample have lost their payload."""
        return self.asked - len(self.measured)

    @property
    def mean(self) -> float:
        """Mean bytes of a payload."""
        return sum(size for size, _ in self.measured) / len(self.measured) if self.measured else 0.0

    @property
    def margin(self) -> float:
        """Half-width of the 95 % interval of the mean.

        The usual one for a simple random sample without replacement: 1.96 s / sqrt(n) * sqrt(1 - n / N).
        """
        count = len(self.measured)
        if count < 2:
            return 0.0
        mean = self.mean
        variance = sum((size - mean) ** 2 for size, _ in self.measured) / (count - 1)
        return Z * math.sqrt(variance / count) * self._correction

    @property
    def lost(self) -> tuple[float, float]:
        """Estimate of the sessions whose payload is gone, and the half-width of its 95 % interval.

        The half-width is Wilson's (1927), which is not zero for a sample without a loss.
        """
        if not self.asked:
            return 0.0, 0.0
        n, share = self.asked, self.missing / self.asked
        half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
        return share * self.total, half * self.total * self._correction

    @property
    def _correction(self) -> float:
        return math.sqrt(max(0.0, 1 - self.asked / self.total))


class Sample:
    """Chooses sessions, builds the calls that measure them, and reads the replies.

    Args:
        live: How many live sessions each shard has.
        size: How many to choose at most.
        choose: The source of chance.
    """

    def __init__(self, live: Mapping[Shard, int], size: int, choose: random.Random) -> None:
        self.total = sum(live.values())
        self._asked = min(self.total, size)
        self._ranks = _by_shard(live, sorted(choose.sample(range(self.total), self._asked)))

    def calls(self) -> list[Call]:
        """Return one call for each shard that has a chosen session."""
        return [run(MEMORY, (shard.due,), *ranks, repeatable=True) for shard, ranks in self._ranks]

    def sizes(self, replies: Sequence[Sequence[Any]]) -> Sizes:
        """Read the replies to ``calls``."""
        # Some may have ended since they were counted, which is no loss.
        asked = sum(looked for looked, _ in replies)
        measured = [
            (int(found[i + 1]), parse_member(found[i]).key) for _, found in replies for i in range(0, len(found), 2)
        ]
        return Sizes(max(self.total, asked), asked, measured)


def _by_shard(live: Mapping[Shard, int], chosen: Sequence[int]) -> list[tuple[Shard, list[int]]]:
    """Turn numbers among all live sessions into ranks within their shards."""
    result: list[tuple[Shard, list[int]]] = []
    numbers = iter(chosen)
    number = next(numbers, None)
    start = 0
    for shard, count in live.items():
        ranks = []
        while number is not None and number < start + count:
            ranks.append(number - start)
            number = next(numbers, None)
        if ranks:
            result.append((shard, ranks))
        start += count
    return result
