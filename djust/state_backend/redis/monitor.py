"""Asks the servers behind the Redis backend how they are."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from djust.exceptions import BackendDenied, CodecError, InvalidArgument
from djust.state_backend.monitor import (
    HORIZONS_SECONDS,
    LossWalk,
    Measured,
    ServerInfo,
    ShardLook,
    StoreMonitor,
    WalkStep,
)
from djust.state_backend.records import GoneSession
from djust.state_backend.redis.calls import Call, Homes, Operation, Primaries, command, run
from djust.state_backend.redis.client import Client
from djust.state_backend.redis.layout import OWNER_BUCKETS, SHARDS, Layout, Shard, pack_member, parse_header
from djust.state_backend.redis.replies import info_fields, scan_page
from djust.state_backend.redis.sample import Sample
from djust.state_backend.redis.scripts import INDEX_BYTES, LOOK
from djust.state_backend.redis.stats import count_call
from djust.state_backend.redis.sweep import SweepOperations

#: Buckets of the owner index that one shard's are judged by. An owner has the same bucket in every shard, so each
#: shard is asked for others.
BUCKETS_MEASURED = OWNER_BUCKETS // SHARDS
#: Index entries that one slice of a walk looks at.
WALK_SLICE = 250
#: How far ``holds_older`` searches each server: pages, and keys in a page.
SEARCH_PAGES, SEARCH_COUNT = 20, 500


class RedisMonitor(StoreMonitor):
    """Asks through the backend's own client. Costs nothing until it is used."""

    def __init__(self, client: Client, layout: Layout, *, place: str, max_age_ms: int) -> None:
        self.store = f"{place} {layout.prefix.decode()}"
        self._client = client
        self._layout = layout
        self._max_age_ms = max_age_ms
        self._choose = random.SystemRandom()

    def server_info(self) -> Sequence[ServerInfo]:
        return self._client.drive(_server_info())

    def measure(self, sample_size: int) -> Sequence[Measured]:
        return self._client.drive(_measure(self._layout, sample_size, self._choose))

    def look(
        self, mark: str, since_ms: int, left: Mapping[int, str], *, thorough: bool = False
    ) -> Sequence[ShardLook]:
        return self._client.drive(_look(self._layout, mark, since_ms, left, thorough))

    def holds_older(self, shards: Sequence[int], since_ms: int) -> Sequence[int]:
        wanted = {self._layout.shards[number]: number for number in shards}
        return self._client.drive(_holds_older(self._layout, wanted, since_ms))

    def open_walk(self, causes: Mapping[str, str]) -> RedisLossWalk:
        token = f"check:{os.urandom(8).hex()}"
        steps = SweepOperations(self._layout, ttl=None, token=token, max_age_ms=self._max_age_ms, causes=causes)
        return RedisLossWalk(self._client, steps)

    def now_ms(self) -> int:
        return self._client.drive(_now_ms(self._layout))

    def node_of(self, key: str) -> str:
        return self._client.homes((self._layout.shard(key.encode()).due,))[0]


class RedisLossWalk(LossWalk):
    """The steps of a walk, driven by the synchronous client."""

    def __init__(self, client: Client, operations: SweepOperations) -> None:
        self._client = client
        self._operations = operations

    def find_waiting(self) -> int:
        return self._client.drive(self._operations.find_waiting())

    def step(self, cursor: str | None) -> WalkStep:
        shard, _, inner = (cursor or "0:0").partition(":")
        if not (shard.isdigit() and int(shard) < SHARDS and inner.isdigit()):
            raise InvalidArgument("This is no cursor of a walk. Begin without one.")
        number = int(shard)
        checked, lost, after = self._client.drive(self._operations.look_for_losses(number, inner, WALK_SLICE))
        following: str | None = f"{number}:{after}"
        if after == "0":
            following = f"{number + 1}:0" if number + 1 < SHARDS else None
        return WalkStep(checked=checked, lost=lost, cursor=following)

    def claim(self, limit: int) -> Sequence[GoneSession]:
        return self._client.drive(self._operations.claim(limit))

    def nameless(self) -> Mapping[str, int]:
        return self._client.drive(self._operations.nameless())

    def close(self) -> None:
        self._client.drive(self._operations.close())


def _server_info() -> Operation[list[ServerInfo]]:
    answers = []
    for node in (yield Primaries()):
        try:
            [reply] = yield [command("INFO", node=node)]
        except BackendDenied as error:
            answers.append(ServerInfo(node=node, fields={}, refused=str(error)))
        else:
            answers.append(ServerInfo(node=node, fields=info_fields(reply)))
    return answers


def _now_ms(layout: Layout) -> Operation[int]:
    [node, *_] = yield Homes((layout.shards[0].due,))
    [[seconds, microseconds]] = yield [command("TIME", node=node)]
    return int(seconds) * 1000 + int(microseconds) // 1000


def _shards_by_node(layout: Layout) -> Operation[dict[str, list[Shard]]]:
    nodes: dict[str, list[Shard]] = {}
    homes = yield Homes(tuple(shard.due for shard in layout.shards))
    for shard, node in zip(layout.shards, homes, strict=True):
        nodes.setdefault(node, []).append(shard)
    return nodes


def _measure(layout: Layout, size: int, choose: random.Random) -> Operation[list[Measured]]:
    result = []
    for node, shards in (yield from _shards_by_node(layout)).items():
        counts = yield [count_call(shard) for shard in shards]
        live = {shard: reply[0] for shard, reply in zip(shards, counts, strict=True)}
        sample = Sample(live, size, choose)
        buckets = choose.sample(range(OWNER_BUCKETS), OWNER_BUCKETS)
        sizing = [
            _index_bytes(shard, buckets[number * BUCKETS_MEASURED : (number + 1) * BUCKETS_MEASURED])
            for number, shard in enumerate(shards)
        ]
        calls = sample.calls()
        figures: dict[str, Any] = dict.fromkeys(
            ("bytes_per_session", "bytes_per_session_margin", "lost_estimate", "lost_margin", "index_bytes")
        )
        sampled = 0
        try:
            replies = yield [*calls, *sizing]
        except BackendDenied as error:
            figures["refused"] = str(error)
        else:
            sizes = sample.sizes(replies[: len(calls)])
            sampled = sizes.asked
            figures["index_bytes"] = sum(replies[len(calls) :])
            figures["lost_estimate"], figures["lost_margin"] = sizes.lost
            if sizes.measured:
                figures["bytes_per_session"], figures["bytes_per_session_margin"] = sizes.mean, sizes.margin
        overdue = sum(reply[1] for reply in counts)
        result.append(Measured(node=node, sessions=sum(live.values()), overdue=overdue, sampled=sampled, **figures))
    return result


def _index_bytes(shard: Shard, buckets: Iterable[int]) -> Call:
    keys = (shard.due, shard.act, shard.never, shard.gone, shard.meta)
    return run(INDEX_BYTES, keys, *buckets, repeatable=True)


def _look(
    layout: Layout, mark: str, since_ms: int, before: Mapping[int, str], thorough: bool
) -> Operation[list[ShardLook]]:
    if not mark or " " in mark:
        raise InvalidArgument("A mark must be a name without spaces.")
    homes = yield Homes(tuple(shard.due for shard in layout.shards))
    replies = yield [
        run(
            LOOK,
            (s.due, s.act, s.never, s.meta),
            mark,
            since_ms,
            before.get(number, ""),
            int(thorough),
            *HORIZONS_SECONDS,
        )
        for number, s in enumerate(layout.shards)
    ]
    return [
        ShardLook(
            shard=number,
            node=node,
            mark=old.decode() or None,
            left=left.decode() or None,
            sessions=live,
            overdue=overdue,
            has_older=bool(older),
            incomplete=bool(incomplete),
            ahead=ahead,
        )
        for number, (node, reply) in enumerate(zip(homes, replies, strict=True))
        for old, left, live, overdue, older, incomplete, ahead in (reply,)
    ]


def _holds_older(layout: Layout, wanted: Mapping[Shard, int], since_ms: int) -> Operation[list[int]]:
    found: set[int] = set()
    for node in (yield Primaries()):
        cursor = b"0"
        for _ in range(SEARCH_PAGES):
            [reply] = yield [
                command("SCAN", cursor, "MATCH", layout.payload_pattern, "COUNT", SEARCH_COUNT, node=node)
            ]
            cursor, names = scan_page(reply)
            payloads = [known for name in names if (known := layout.parse_payload(name)) and known[0] in wanted]
            heads = (yield [command("GETRANGE", s.payload(key), 0, 2047) for s, key in payloads]) if payloads else []
            older = [
                (shard, member)
                for (shard, key), head in zip(payloads, heads, strict=True)
                if (member := _older_member(key, head, since_ms)) is not None
            ]
            scores = (yield [command("ZSCORE", shard.due, member) for shard, member in older]) if older else []
            found.update(wanted[shard] for (shard, _), score in zip(older, scores, strict=True) if score is None)
            if cursor == b"0":
                break
    return sorted(found)


def _older_member(key: bytes, head: bytes, since_ms: int) -> bytes | None:
    """Return what the index should know of a payload, if that is older than ``since_ms``."""
    try:
        header = parse_header(head)
    except CodecError:
        return None  # Gone meanwhile, or not readable.
    if header.created >= since_ms:
        return None
    return pack_member(key, header.created, (header.owner or "").encode(), (header.label or "").encode())
