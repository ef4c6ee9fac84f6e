"""Finds what the index still knows of sessions of which nothing else is left.

An eviction can take ``due`` alone. Who was in it can be reported no more, and when those payloads expire, nobody is
left who would take their entries by activity and by owner out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from djust.state_backend.redis.calls import Argument, Call, Operation, run
from djust.state_backend.redis.layout import OWNER_BUCKETS, Shard
from djust.state_backend.redis.scripts import FORGET, FREED, KNOWN

PAGE_SIZE = 500
BUCKETS_AT_ONCE = 32


def find_leftovers(shard: Shard) -> Operation[list[bytes]]:
    """Return the session keys that are known by activity or owner, but neither by deadline nor by a payload."""
    freed: set[bytes] = set()
    for name in ("act", "never"):
        cursor = b"0"
        while True:
            [[cursor, found]] = yield [_freed(shard, name, cursor, PAGE_SIZE)]
            freed.update(found)
            if cursor == b"0":
                break
    replies = yield [
        _freed(shard, "owners", first, first + BUCKETS_AT_ONCE - 1)
        for first in range(0, OWNER_BUCKETS, BUCKETS_AT_ONCE)
    ]
    freed.update(key for _, found in replies for key in found)
    cursor = b"0"
    while freed:
        # Most have expired and wait for the next sweep, which finds them by their deadline.
        [[cursor, known]] = yield [run(KNOWN, (shard.due,), cursor, PAGE_SIZE, repeatable=True)]
        freed.difference_update(known)
        if cursor == b"0":
            break
    return sorted(freed)


def forget_leftovers(shard: Shard, keys: Sequence[bytes]) -> Operation[None]:
    """Take those entries out."""
    for page in _pages(keys):
        yield [run(FORGET, (shard.due, shard.act, shard.never, shard.meta), *page, repeatable=True)]


def _freed(shard: Shard, *args: Argument) -> Call:
    return run(FREED, (shard.due, shard.act, shard.never), *args, repeatable=True)


def _pages(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + PAGE_SIZE] for start in range(0, len(keys), PAGE_SIZE))
