"""What needs more than one round trip, as generators that either client can drive. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from djust.exceptions import BackendDenied
from djust.state_backend.records import ENDED_ALL, Notice
from djust.state_backend.redis.calls import Call, Homes, Operation, Primaries, command, run
from djust.state_backend.redis.layout import Layout, Shard, owner_bucket, pack_notice
from djust.state_backend.redis.replies import info_fields, scan_page
from djust.state_backend.redis.scripts import CLEAR, DELETE, OWNER, OWNER_KEYS, OWNER_WALK

PAGE_SIZE = 500
SCAN_COUNT = 1000

TRUSTED, OWNERS_LOST, INDEX_LOST, EMPTY = range(4)


def delete_call(layout: Layout, key: bytes) -> Call:
    """Return the call that ends one session."""
    shard = layout.shard(key)
    keys = (shard.payload(key), shard.due, shard.act, shard.never, shard.meta)
    return run(DELETE, keys, key, layout.channel)


def publish_call(layout: Layout, notice: Notice, node: str) -> Call:
    """Return the call that publishes a notice. Any node tells all others; always the same keeps them in order."""
    return command("PUBLISH", layout.channel, pack_notice(notice), repeatable=False, node=node)


def delete_owner(layout: Layout, owner: bytes) -> Operation[int]:
    """End every session of an owner, also where parts of the index were evicted."""
    ended = 0
    trust: dict[Shard, int] = {}
    waiting: Sequence[Shard] = layout.shards
    while waiting:
        replies = yield [
            run(OWNER, (s.due, s.act, s.never, s.meta), owner, owner_bucket(owner), PAGE_SIZE, layout.channel)
            for s in waiting
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
            ended += yield from _delete_owner_by_walking(layout, shard, owner)
    doubtful = yield from _doubtful_shards(layout, trust)
    if doubtful:
        ended += yield from _delete_owner_by_scanning(layout, owner, doubtful)
    return ended


def _doubtful_shards(layout: Layout, trust: dict[Shard, int]) -> Operation[set[Shard]]:
    """Return the shards of which payloads may exist that no index knows.

    Only a server that may evict keys without a TTL, as the index is, leaves such payloads behind: then the shards that
    look as if something were missing, and, once it has evicted, all of them.
    """
    doubtful: set[Shard] = set()
    for node in (yield Primaries()):
        try:
            replies = yield [command("INFO", section, node=node) for section in ("memory", "stats")]
        except BackendDenied:
            return set(layout.shards)
        memory, stats = (info_fields(reply) for reply in replies)
        if str(memory.get("maxmemory_policy", "allkeys")).startswith("allkeys"):
            if int(stats.get("evicted_keys", 1)):
                return set(layout.shards)
            doubtful.update(shard for shard, state in trust.items() if state in (INDEX_LOST, EMPTY))
    return doubtful


def _delete_owner_by_walking(layout: Layout, shard: Shard, owner: bytes) -> Operation[int]:
    ended = 0
    cursor = b"0"
    while True:
        count: int
        [[cursor, count]] = yield [
            run(OWNER_WALK, (shard.due, shard.act, shard.never, shard.meta), owner, cursor, PAGE_SIZE, layout.channel)
        ]
        ended += count
        if cursor == b"0":
            return ended


def _delete_owner_by_scanning(layout: Layout, owner: bytes, shards: set[Shard]) -> Operation[int]:
    def end(found: list[tuple[Shard, bytes]]) -> Operation[int]:
        keys: dict[Shard, list[bytes]] = {}
        for shard, key in found:
            if shard in shards:
                keys.setdefault(shard, []).append(key)
        calls = [
            run(OWNER_KEYS, (s.due, s.act, s.never, s.meta), owner, layout.channel, *names)
            for s, names in keys.items()
        ]
        return sum((yield calls)) if calls else 0

    return (yield from scan_payloads(layout, end))


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
            [reply] = yield [command("SCAN", cursor, "MATCH", layout.payload_pattern, "COUNT", SCAN_COUNT, node=node)]
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
        return sum((yield [delete_call(layout, key) for _shard, key in found]))

    ended += yield from scan_payloads(layout, end)
    if ended:
        # Only when all are gone: whoever hears it looks which of his are left.
        with suppress(BackendDenied):
            [node] = yield Homes((layout.channel,))
            yield [publish_call(layout, Notice(ENDED_ALL, b""), node)]
    return ended
