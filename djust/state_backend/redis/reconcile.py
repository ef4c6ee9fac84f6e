"""Compares index and data, a page at a time: every index entry, what is left over, every payload, the counters."""

from __future__ import annotations

from collections.abc import Sequence

from djust.codec import Codec
from djust.exceptions import CodecError, InvalidArgument
from djust.state_backend.records import REPAIRABLE_KINDS, Finding, ReconcileStep
from djust.state_backend.redis.calls import Operation, Primaries, command, run
from djust.state_backend.redis.layout import Layout, Shard, parse_header, parse_member
from djust.state_backend.redis.leftovers import find_leftovers, forget_leftovers
from djust.state_backend.redis.replies import scan_page
from djust.state_backend.redis.scripts import CHECK_DATA, CHECK_INDEX, RECOUNT

PAGE_SIZE = 250


def parse_cursor(cursor: str) -> tuple[str, int, str]:
    """Return phase, number and the cursor within.

    Raises:
        InvalidArgument: It is no cursor of a reconcile.
    """
    phase, _, rest = cursor.partition(":")
    number, _, inner = rest.partition(":")
    if phase not in ("index", "rest", "data") or not number.isdecimal() or not inner.isdecimal():
        raise InvalidArgument("This is no cursor of a reconcile. Begin without one.")
    return phase, int(number), inner


class Reconciler:
    """The steps of a reconcile as operations."""

    def __init__(self, layout: Layout, codec: Codec, *, repair: frozenset[str], default_ttl_ms: int) -> None:
        unknown = repair.difference(REPAIRABLE_KINDS)
        if unknown:
            raise InvalidArgument(f"Cannot repair {min(unknown)!r}: choose from {', '.join(REPAIRABLE_KINDS)}.")
        self._layout = layout
        self._codec = codec
        self._repair = repair
        self._default_ttl_ms = default_ttl_ms

    def step(self, cursor: str | None) -> Operation[ReconcileStep]:
        """Do the step that ``cursor`` names: ``phase:number:cursor within``."""
        phase, number, inner = parse_cursor(cursor or "index:0:0")
        if phase == "index" and number < len(self._layout.shards):
            return (yield from self._index_step(number, inner))
        if phase == "rest" and number < len(self._layout.shards):
            return (yield from self._rest_step(number))
        return (yield from self._data_step(number, inner))

    def _index_step(self, number: int, inner: str) -> Operation[ReconcileStep]:
        shard = self._layout.shards[number]
        repair = "index_without_data" in self._repair
        keys = (shard.due, shard.act, shard.never, shard.gone, shard.meta)
        [[after, checked, lost, _]] = yield [run(CHECK_INDEX, keys, inner, PAGE_SIZE, int(repair))]
        findings = [
            Finding(
                kind="index_without_data",
                key=parse_member(member).key,
                detail="The payload is gone before its time.",
                repaired=repair,
            )
            for member in lost
        ]
        following = f"index:{number}:{after.decode()}" if after != b"0" else f"rest:{number}:0"
        return ReconcileStep(checked=checked, findings=findings, cursor=following)

    def _rest_step(self, number: int) -> Operation[ReconcileStep]:
        shard = self._layout.shards[number]
        repair = "index_without_data" in self._repair
        keys = yield from find_leftovers(shard)
        if repair:
            yield from forget_leftovers(shard, keys)
        detail = "It is over, and nothing is left to report of it."
        findings = [
            Finding(
                kind="index_without_data", key=key.decode(errors="backslashreplace"), detail=detail, repaired=repair
            )
            for key in keys
        ]
        following = f"index:{number + 1}:0" if number + 1 < len(self._layout.shards) else "data:0:0"
        return ReconcileStep(checked=0, findings=findings, cursor=following)

    def _data_step(self, number: int, inner: str) -> Operation[ReconcileStep]:
        nodes = sorted((yield Primaries()))
        if number >= len(nodes):
            if "data_without_index" in self._repair:
                yield [run(RECOUNT, (s.due, s.meta)) for s in self._layout.shards]
            return ReconcileStep(checked=0, findings=(), cursor=None)
        pattern = self._layout.payload_pattern
        [reply] = yield [command("SCAN", inner, "MATCH", pattern, "COUNT", PAGE_SIZE, node=nodes[number])]
        after, names = scan_page(reply)
        found = [parsed for name in names if (parsed := self._layout.parse_payload(name)) is not None]
        findings = (yield from self._check(found)) if found else ()
        following = f"data:{number}:{after.decode()}" if after != b"0" else f"data:{number + 1}:0"
        return ReconcileStep(checked=len(found), findings=findings, cursor=following)

    def _check(self, found: list[tuple[Shard, bytes]]) -> Operation[Sequence[Finding]]:
        index, ttl = "data_without_index" in self._repair, "no_ttl" in self._repair
        replies = yield [
            run(
                CHECK_DATA,
                (shard.payload(key), shard.due, shard.act, shard.never, shard.meta),
                key,
                int(index),
                int(ttl),
                self._default_ttl_ms,
            )
            for shard, key in found
        ]
        findings = []
        readable = []
        for (shard, key), (status, unindexed, no_ttl) in zip(found, replies, strict=True):
            name = key.decode(errors="backslashreplace")
            if no_ttl:
                findings.append(Finding(kind="no_ttl", key=name, detail="It would never expire.", repaired=ttl))
            if unindexed:
                detail = "The index does not know it, or not completely."
                findings.append(Finding(kind="data_without_index", key=name, detail=detail, repaired=index))
            if status == 2:
                detail = "The header is damaged, of a later release, or not ours."
                findings.append(Finding(kind="undecodable", key=name, detail=detail))
            elif status == 1:
                readable.append((shard, key))
        payloads = (yield [command("GET", shard.payload(key)) for shard, key in readable]) if readable else []
        for (_, key), payload in zip(readable, payloads, strict=True):
            reason = self._unreadable(payload)
            if reason is not None:
                findings.append(Finding(kind="undecodable", key=key.decode(errors="backslashreplace"), detail=reason))
        return findings

    def _unreadable(self, payload: bytes | None) -> str | None:
        if payload is None:
            return None
        try:
            self._codec.decode(payload[parse_header(payload).body_offset :])
        except CodecError as error:
            return str(error)
        return None
