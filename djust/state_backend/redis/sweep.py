"""A pass over what is due, spread over the shards so that no script holds Redis for long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from djust.exceptions import InvalidArgument
from djust.state_backend.arguments import ttl_milliseconds
from djust.state_backend.base import Sweep
from djust.state_backend.records import GoneSession, Reaped
from djust.state_backend.redis.calls import Call, Homes, Operation, command, run
from djust.state_backend.redis.layout import Layout, Shard, is_loss, parse_record
from djust.state_backend.redis.losses import cause_of_losses
from djust.state_backend.redis.scripts import ABANDONED, CHECK_INDEX, CLAIM, HEADS, NAMELESS, REAP, REAP_IDLE

if TYPE_CHECKING:
    from djust.state_backend.redis.client import Client

#: Milliseconds after which what a sweep without a lease had in flight counts as lost.
ABANDONED_AFTER_MS = 60_000

#: Entries of one shard that one script takes: as many as are claimed at once, or more when few shards are left.
PER_SHARD = 25
MAX_PER_SHARD = 100


#: Claims on one shard in a row.
MAX_TURNS = 8

#: How exact "oldest first" is: what a shard is asked for is at most this share of the backlog's age younger than the
#: oldest that is left anywhere. Exact order over all shards would mean a round trip for every few sessions.
ORDER_TOLERANCE = 0.1


class SweepOperations:
    """The steps of a sweep as operations, for either client."""

    def __init__(
        self,
        layout: Layout,
        *,
        ttl: float | None,
        token: str,
        max_age_ms: int,
        causes: Mapping[str, str] | None = None,
    ) -> None:
        if ttl is not None and ttl <= 0:
            raise InvalidArgument("A sweep's ttl must be greater than zero; a clean-up with less removes nothing.")
        self._layout = layout
        self._idle_ms = 0 if ttl is None else ttl_milliseconds(ttl)
        self._max_age_ms = max_age_ms
        self._field = f"f:{token}".encode()
        #: The shards that may have more of what idled for too long, and how many entries to skip there.
        self._idle: dict[Shard, int] = {} if ttl is None else dict.fromkeys(layout.shards, 0)
        #: The earliest due deadline of each shard that has one; ``None`` before the shards were asked.
        self._heads: dict[Shard, float] | None = None
        self._tolerance_ms = 0.0
        #: How many records wait in which shard, as far as known.
        self._outbox: dict[Shard, int] = {}
        self._unacknowledged: Shard | None = None
        self._turns = 0
        #: Why sessions of a server are lost, asked when the first is claimed: what is reported frees memory, after
        #: which the server looks at ease.
        self._causes: dict[str, str] = dict(causes or {})

    def reap(self, limit: int) -> Operation[Reaped]:
        """Take due entries out of some shards in one round trip, and of the others next time.

        Redis serves nobody else between the scripts of one round trip, so ``limit`` bounds how long others wait.
        """
        if self._idle:
            return (yield from self._reap_idle(limit))
        if self._heads is None:
            self._heads = yield from self._find_heads()
            if self._outbox:
                # What others took out and nobody reported is older than what is due now.
                return Reaped()
        heads = self._heads
        if not heads:
            return Reaped(done=True)
        oldest = min(heads.values())
        latest = oldest + self._tolerance_ms
        ready = [shard for shard, head in heads.items() if head <= oldest + self._tolerance_ms / 2]
        share, count = _shares(limit, len(ready))
        shards = sorted(ready, key=heads.__getitem__)[:count]
        replies = yield [run(REAP, (s.due, s.act, s.never, s.gone, s.meta), share, math.ceil(latest)) for s in shards]
        for shard, (*_, head) in zip(shards, replies, strict=True):
            if head:
                heads[shard] = float(head)
            else:
                del heads[shard]
        return self._reaped(shards, replies, done=not heads)

    def find_waiting(self) -> Operation[int]:
        """Return how many records wait in the outboxes, for those who claim without reaping."""
        yield from self._find_heads()
        return sum(self._outbox.values())

    def look_for_losses(self, number: int, cursor: str, limit: int) -> Operation[tuple[int, int, str]]:
        """Take entries out of the index whose payload is gone before its time, unless anything changed meanwhile.

        Args:
            number: Of the shard.
            cursor: Within it, ``"0"`` begins.
            limit: About how many entries to look at.

        Returns:
            How many were looked at and lost, and the next cursor; ``"0"`` says that the shard is done.
        """
        s = self._layout.shards[number]
        [[after, checked, lost, waiting]] = yield [
            run(CHECK_INDEX, (s.due, s.act, s.never, s.gone, s.meta), cursor, limit, 1)
        ]
        if waiting:
            self._outbox[s] = waiting
        return checked, len(lost), after.decode()

    def _find_heads(self) -> Operation[dict[Shard, float]]:
        heads = {}
        replies = yield [run(HEADS, (s.due, s.gone), repeatable=True) for s in self._layout.shards]
        now = 0.0
        for shard, (head, outbox, time) in zip(self._layout.shards, replies, strict=True):
            now = max(now, float(time))
            if head:
                heads[shard] = float(head)
            if outbox:
                self._outbox[shard] = outbox
        if heads:
            self._tolerance_ms = max(1.0, (now - min(heads.values())) * ORDER_TOLERANCE)
        return heads

    def _reap_idle(self, limit: int) -> Operation[Reaped]:
        share, count = _shares(limit, len(self._idle))
        shards = list(self._idle)[:count]
        replies = yield [
            run(REAP_IDLE, (s.due, s.act, s.never, s.gone, s.meta), self._idle_ms, share, self._idle[s])
            for s in shards
        ]
        for shard, (scanned, _, gone, *_) in zip(shards, replies, strict=True):
            skip = self._idle.pop(shard) + gone
            if scanned == share:
                self._idle[shard] = skip
        return self._reaped(shards, replies, done=False)

    def _reaped(self, shards: Sequence[Shard], replies: Sequence[Sequence[int]], *, done: bool) -> Reaped:
        for shard, reply in zip(shards, replies, strict=True):
            if reply[4]:
                self._outbox[shard] = reply[4]
        scanned, removed, already_gone, renewed = (sum(reply[field] for reply in replies) for field in range(4))
        return Reaped(scanned=scanned, removed=removed, already_gone=already_gone, renewed=renewed, done=done)

    def claim(self, limit: int) -> Operation[Sequence[GoneSession]]:
        """Take records out of the outbox of one shard, and acknowledge those of the call before.

        A claim on the same shard acknowledges by itself, so a shard has several turns before the next one has its.
        """
        while self._outbox:
            shard = self._unacknowledged
            if shard not in self._outbox or self._turns >= MAX_TURNS:
                shard, self._turns = next(iter(self._outbox)), 0
            self._turns += 1
            waiting = self._outbox.pop(shard)
            calls = [run(CLAIM, (shard.gone, shard.meta), limit, self._field)]
            if self._unacknowledged is not None and self._unacknowledged is not shard:
                calls.append(self._acknowledgement(self._unacknowledged))
            records = (yield calls)[0]
            self._unacknowledged = shard if records else None
            if records and waiting > len(records):
                self._outbox[shard] = waiting - len(records)
            if records:
                cause = (yield from self._cause(shard)) if any(map(is_loss, records)) else "unknown"
                return [parse_record(record, self._max_age_ms, cause) for record in records]
        return ()

    def _cause(self, shard: Shard) -> Operation[str]:
        [node] = yield Homes((shard.due,))
        if node not in self._causes:
            self._causes[node] = yield from cause_of_losses(node)
        return self._causes[node]

    def nameless(self) -> Operation[dict[str, int]]:
        """Count, and forget, the lost sessions whose names found no room, by server."""
        nodes: dict[str, int] = {}
        homes = yield Homes(tuple(shard.due for shard in self._layout.shards))
        counts = yield [run(NAMELESS, (shard.meta,)) for shard in self._layout.shards]
        for node, count in zip(homes, counts, strict=True):
            if count:
                nodes[node] = nodes.get(node, 0) + count
        return nodes

    def abandoned(self) -> Operation[int]:
        """Count, and forget, the reports that were lost with killed processes."""
        replies = yield [
            run(ABANDONED, (shard.meta,), self._field, b"f:lease:", ABANDONED_AFTER_MS)
            for shard in self._layout.shards
        ]
        return sum(replies)

    def close(self) -> Operation[None]:
        """Acknowledge what was claimed last."""
        if self._unacknowledged is not None:
            yield [self._acknowledgement(self._unacknowledged)]
            self._unacknowledged = None

    def _acknowledgement(self, shard: Shard) -> Call:
        return command("HDEL", shard.meta, self._field)


def _shares(limit: int, shards: int) -> tuple[int, int]:
    """Return how many entries to ask of a shard, and how many shards to ask."""
    share = min(limit, max(PER_SHARD, min(MAX_PER_SHARD, limit // max(1, shards))))
    return share, max(1, limit // share)


class RedisSweep(Sweep):
    """The steps of a sweep, driven by the synchronous client."""

    def __init__(self, client: Client, operations: SweepOperations) -> None:
        self._client = client
        self._operations = operations

    def reap(self, limit: int) -> Reaped:
        return self._client.drive(self._operations.reap(limit))

    def claim(self, limit: int) -> Sequence[GoneSession]:
        return self._client.drive(self._operations.claim(limit))

    def abandoned(self) -> int:
        return self._client.drive(self._operations.abandoned())

    def nameless(self) -> Mapping[str, int]:
        return self._client.drive(self._operations.nameless())

    def close(self) -> None:
        self._client.drive(self._operations.close())
