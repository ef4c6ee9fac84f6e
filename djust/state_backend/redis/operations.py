"""What needs more than one round trip, as generators that either client can drive. No I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from djust.state_backend.base import Backlog, SessionInfo
from djust.state_backend.redis.calls import Call, Operation, Primaries, command, run
from djust.state_backend.redis.layout import Layout, Shard, owner_bucket, parse_member
from djust.state_backend.redis.replies import info_fields, scan_page
from djust.state_backend.redis.scripts import CLEAR, COUNT_IDLE, DELETE, MEMORY, OWNER, OWNER_WALK, PAGE, STATS

#: Sessions sampled for the average age, over all shards. Fewer sessions than this are all counted.
AGE_SAMPLE = 1024
#: Sessions measured for the memory estimate: at most about 8 % off, 95 times in 100, for lognormal sizes.
MEMORY_SAMPLE = 1000
PAGE_SIZE = 500
SCAN_COUNT = 1000

TRUSTED, OWNERS_LOST, INDEX_LOST, EMPTY = range(4)


def delete_call(shard: Shard, key: bytes, owner: bytes = b"") -> Call:
    """Return the call that ends one session, if it is the owner's."""
    keys = (shard.payload(key), shard.due, shard.act, shard.never, shard.meta)
    return run(DELETE, keys, key, owner)


def delete_owner(layout: Layout, owner: bytes) -> Operation[int]:
    """End every session of an owner, also where parts of the index were evicted."""
    ended = 0
    trust: dict[Shard, int] = {}
    waiting: Sequence[Shard] = layout.shards
    while waiting:
        replies = yield [
            run(OWNER, (s.due, s.act, s.never, s.meta), owner, owner_bucket(owner), PAGE_SIZE) for s in waiting
        ]
        more = []
        for shard, (count, unfinished, state) in zip(waiting, replies, strict=True):
            ended += count
            trust[shard] = max(trust.get(shard, TRUSTED), state)
            if unfinished:
                more.append(shard)
        waiting = more
    for shard, state in trust.items():
        if state in (OWNERS_LOST, INDEX_LOST):
            ended += yield from _delete_owner_by_walking(shard, owner)
    doubtful = {shard for shard, state in trust.items() if state in (INDEX_LOST, EMPTY)}
    if doubtful and (yield from _index_can_be_evicted()):
        ended += yield from _delete_owner_by_scanning(layout, owner, doubtful)
    return ended


def _delete_owner_by_walking(shard: Shard, owner: bytes) -> Operation[int]:
    ended, cursor = 0, b"0"
    while True:
        [[cursor, count]] = yield [
            run(OWNER_WALK, (shard.due, shard.act, shard.never, shard.meta), owner, cursor, PAGE_SIZE)
        ]
        ended += count
        if cursor == b"0":
            return ended


def _delete_owner_by_scanning(layout: Layout, owner: bytes, shards: set[Shard]) -> Operation[int]:
    def end(found: list[tuple[Shard, bytes]]) -> Operation[int]:
        calls = [delete_call(shard, key, owner) for shard, key in found if shard in shards]
        return sum((yield calls)) if calls else 0

    return (yield from scan_payloads(layout, end))


def _index_can_be_evicted() -> Operation[bool]:
    """Whether some primary may evict keys without a TTL, as the index is; also if it will not say."""
    nodes = yield Primaries()
    for node in nodes:
        [reply] = yield [command("INFO", "memory", node=node)]
        policy = info_fields(reply).get("maxmemory_policy", "allkeys-unknown")
        if str(policy).startswith("allkeys"):
            return True
    return False


def scan_payloads(layout: Layout, work: Callable[[list[tuple[Shard, bytes]]], Operation[int]]) -> Operation[int]:
    """Walk the payloads themselves, for when the index cannot be trusted; return the sum of what ``work`` returns.

    Args:
        layout: Where to look.
        work: Called with each page of shards and session keys.
    """
    total = 0
    for node in (yield Primaries()):
        cursor = b"0"
        while True:
            [reply] = yield [
                command("SCAN", cursor, "MATCH", layout.payload_pattern, "COUNT", SCAN_COUNT, node=node)
            ]
            cursor, names = scan_page(reply)
            found = [parsed for name in names if (parsed := layout.parse_payload(name)) is not None]
            if found:
                total += yield from work(found)
            if cursor == b"0":
                break
    return total


def delete_all(layout: Layout) -> Operation[int]:
    """End every session under the prefix: first what the index knows, then what it does not."""
    ended = 0
    waiting: Sequence[Shard] = layout.shards
    while waiting:
        replies = yield [run(CLEAR, (s.due, s.act, s.never, s.gone, s.meta), PAGE_SIZE) for s in waiting]
        ended += sum(count for count, _ in replies)
        waiting = [shard for shard, (_, more) in zip(waiting, replies, strict=True) if more]

    def end(found: list[tuple[Shard, bytes]]) -> Operation[int]:
        return sum((yield [delete_call(shard, key) for shard, key in found]))

    return ended + (yield from scan_payloads(layout, end))


def page(layout: Layout, number: int, cursor: bytes, size: int, owner: bytes, label: bytes) -> Operation[Page]:
    """Return one page of live sessions of the shard of that number, and where to go on."""
    shard = layout.shards[number]
    [[after, found]] = yield [run(PAGE, (shard.due, shard.act, shard.never), cursor, size, owner, label, repeatable=True)]
    sessions = [
        parse_member(found[i]).info(float(found[i + 1]), int(float(found[i + 2] or 0))) for i in range(0, len(found), 3)
    ]
    return Page(sessions, number + 1 if after == b"0" else number, after)


@dataclass(frozen=True, slots=True)
class Page:
    """Some sessions, and where the next page starts."""

    sessions: list[SessionInfo]
    next_shard: int
    cursor: bytes


def backlog(layout: Layout) -> Operation[Backlog]:
    """Return what is overdue or waits to be reported."""
    stats = yield from collect_stats(layout, sample=0)
    return Backlog(sessions=stats.overdue + stats.waiting, oldest_overdue_seconds=stats.oldest_overdue_seconds)


@dataclass(slots=True)
class Stats:
    """The shards' figures, added up. Ages in seconds."""

    live: int = 0
    overdue: int = 0
    waiting: int = 0
    oldest: float | None = None
    newest: float | None = None
    average: float | None = None
    oldest_overdue_seconds: float | None = None
    #: By Redis's clock.
    now_ms: int = 0


def collect_stats(layout: Layout, sample: int = AGE_SAMPLE) -> Operation[Stats]:
    """Return exact counts and ages from the index; the average age is exact up to ``sample`` sessions."""
    total = Stats()
    weighted, weight = 0.0, 0
    share = -(-sample // len(layout.shards))
    waiting: list[tuple[Shard, Any, Any]] = [(shard, 0, 0) if sample else (shard, b"", b"") for shard in layout.shards]
    first = True
    while waiting:
        replies = yield [
            run(STATS, (s.due, s.act, s.never, s.gone), share if first else 0, act, never, repeatable=True)
            for s, act, never in waiting
        ]
        following = []
        for (shard, _, _), reply in zip(waiting, replies, strict=True):
            live, overdue, lowest, outbox, now_text, *ages, age_sum, sampled, next_act, next_never = reply
            now = int(now_text)
            if first:
                total.live += live
                total.overdue += overdue
                total.waiting += outbox
                total.now_ms = max(total.now_ms, now)
                if overdue:
                    total.oldest_overdue_seconds = _most(total.oldest_overdue_seconds, (now - float(lowest)) / 1000)
                if sampled:
                    weighted += live * int(age_sum) / sampled / 1000
                    weight += live
            for text in ages[:2]:
                if text:
                    total.oldest = _most(total.oldest, max(0.0, (now - float(text)) / 1000))
            for text in ages[2:]:
                if text:
                    total.newest = _least(total.newest, max(0.0, (now - float(text)) / 1000))
            if next_act != b"" or next_never != b"":
                following.append((shard, next_act, next_never))
        waiting, first = following, False
    total.average = weighted / weight if weight else None
    return total


def count_idle(layout: Layout, idle_ms: int) -> Operation[int]:
    """Count live sessions that could idle out and have been idle for longer than ``idle_ms``."""
    total, offset = 0, 0
    waiting: Sequence[Shard] = layout.shards
    while waiting:
        replies = yield [run(COUNT_IDLE, (s.act,), idle_ms, offset, PAGE_SIZE, repeatable=True) for s in waiting]
        total += sum(live for _, live in replies)
        waiting = [shard for shard, (seen, _) in zip(waiting, replies, strict=True) if seen == PAGE_SIZE]
        offset += PAGE_SIZE
    return total


def _most(a: float | None, b: float) -> float:
    return b if a is None else max(a, b)


def _least(a: float | None, b: float) -> float:
    return b if a is None else min(a, b)


def memory_stats(layout: Layout, choose: random.Random) -> Operation[dict[str, Any]]:
    """Estimate what the payloads of live sessions occupy, from a uniform sample of them.

    The interval is the usual one for a mean of a simple random sample without replacement:
    1.96 s / sqrt(n) * sqrt(1 - n / N).
    """
    counts = yield [
        run(STATS, (s.due, s.act, s.never, s.gone), 0, b"", b"", repeatable=True) for s in layout.shards
    ]
    live = [reply[0] for reply in counts]
    total = sum(live)
    wanted = min(total, MEMORY_SAMPLE)
    chosen = _by_shard(layout.shards, live, choose.sample(range(total), wanted))
    replies = yield [run(MEMORY, (shard.due,), *ranks, repeatable=True) for shard, ranks in chosen]
    measured = [
        (int(found[i + 1]), parse_member(found[i]).key) for found in replies for i in range(0, len(found), 2)
    ]
    sizes = [size for size, _ in measured]
    mean = sum(sizes) / len(sizes) if sizes else 0.0
    variance = sum((size - mean) ** 2 for size in sizes) / (len(sizes) - 1) if len(sizes) > 1 else 0.0
    # A session that was measured no more stands for its share of evicted ones, whose payload takes nothing.
    present = total * len(sizes) / wanted if wanted else 0
    correction = math.sqrt(max(0.0, 1 - wanted / total)) if total else 0.0
    half_width = 1.96 * math.sqrt(variance / len(sizes)) * correction if sizes else 0.0
    return {
        "total_state_bytes": round(mean * present),
        "average_state_bytes": round(mean),
        "largest_sessions": [{"key": key, "bytes": size} for size, key in sorted(measured, reverse=True)[:10]],
        "sessions_sampled": len(sizes),
        "confidence": round(half_width * present),
    }


def _by_shard(shards: Sequence[Shard], live: Sequence[int], chosen: Iterable[int]) -> list[tuple[Shard, list[int]]]:
    """Turn numbers among all live sessions into ranks within their shards."""
    result: list[tuple[Shard, list[int]]] = []
    numbers = iter(sorted(chosen))
    number = next(numbers, None)
    start = 0
    for shard, count in zip(shards, live, strict=True):
        ranks = []
        while number is not None and number < start + count:
            ranks.append(number - start)
            number = next(numbers, None)
        if ranks:
            result.append((shard, ranks))
        start += count
    return result


def server_info(section: str) -> Operation[list[dict[str, Any]]]:
    """Return the fields of INFO of each primary, with its name under ``node``."""
    nodes = yield Primaries()
    replies = []
    for node in nodes:
        [reply] = yield [command("INFO", section, node=node)]
        replies.append({"node": node, **info_fields(reply)})
    return replies
