"""A pass over what is due, spread over the shards so that no script holds Redis for long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from djust.exceptions import InvalidArgument
from djust.state_backend.arguments import ttl_milliseconds
from djust.state_backend.base import Sweep
from djust.state_backend.records import GoneSession, Reaped
from djust.state_backend.redis.calls import Call, Operation, command, run
from djust.state_backend.redis.layout import Layout, Shard, parse_record
from djust.state_backend.redis.scripts import ABANDONED, CLAIM, REAP, REAP_IDLE

if TYPE_CHECKING:
    from djust.state_backend.redis.client import Client

#: Milliseconds after which what a sweep without a lease had in flight counts as lost.
ABANDONED_AFTER_MS = 60_000

#: Entries of one shard that one script takes: as many as are claimed at once, or more when few shards are left.
PER_SHARD = 25
MAX_PER_SHARD = 100


class SweepOperations:
    """The steps of a sweep as operations, for either client."""

    def __init__(self, layout: Layout, *, ttl: float | None, token: str, max_age_ms: int) -> None:
        if ttl is not None and ttl <= 0:
            raise InvalidArgument("A sweep's ttl must be greater than zero; a clean-up with less removes nothing.")
        self._layout = layout
        self._idle_ms = 0 if ttl is None else ttl_milliseconds(ttl)
        self._max_age_ms = max_age_ms
        self._field = f"f:{token}".encode()
        self._due: list[Shard] = list(layout.shards)
        self._idle: list[Shard] = [] if ttl is None else list(layout.shards)
        #: How many records wait in which shard, as far as known.
        self._outbox: dict[Shard, int] = {}
        self._unacknowledged: Shard | None = None

    def reap(self, limit: int) -> Operation[Reaped]:
        """Take due entries out of some shards in one round trip, and of the others next time.

        Redis serves nobody else between the scripts of one round trip, so ``limit`` bounds how long others wait.
        """
        pool = self._idle or self._due
        call_for = self._idle_call if self._idle else self._due_call
        share = min(limit, max(PER_SHARD, min(MAX_PER_SHARD, limit // max(1, len(pool)))))
        count = max(1, limit // share)
        shards = pool[:count]
        del pool[:count]
        replies = (yield [call_for(shard, share) for shard in shards]) if shards else []
        scanned = removed = already_gone = renewed = 0
        for shard, (looked_at, taken, gone, alive, outbox) in zip(shards, replies, strict=True):
            scanned += looked_at
            removed += taken
            already_gone += gone
            renewed += alive
            if outbox:
                self._outbox[shard] = outbox
            if looked_at == share:
                pool.append(shard)
        return Reaped(
            scanned=scanned,
            removed=removed,
            already_gone=already_gone,
            renewed=renewed,
            done=not self._due and not self._idle,
        )

    def claim(self, limit: int) -> Operation[Sequence[GoneSession]]:
        """Take records out of the outbox of one shard, and acknowledge those of the call before."""
        while self._outbox:
            shard, waiting = self._outbox.popitem()
            calls = [run(CLAIM, (shard.gone, shard.meta), limit, self._field)]
            if self._unacknowledged is not None and self._unacknowledged is not shard:
                calls.append(self._acknowledgement(self._unacknowledged))
            records = (yield calls)[0]
            self._unacknowledged = shard if records else None
            if records and waiting > len(records):
                self._outbox[shard] = waiting - len(records)
            if records:
                return [parse_record(record, self._max_age_ms) for record in records]
        return ()

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

    def _due_call(self, shard: Shard, share: int) -> Call:
        return run(REAP, (shard.due, shard.act, shard.never, shard.gone, shard.meta), share)

    def _idle_call(self, shard: Shard, share: int) -> Call:
        return run(REAP_IDLE, (shard.due, shard.act, shard.never, shard.gone, shard.meta), self._idle_ms, share)

    def _acknowledgement(self, shard: Shard) -> Call:
        return command("HDEL", shard.meta, self._field)


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

    def close(self) -> None:
        self._client.drive(self._operations.close())
