"""Lists of live sessions a page at a time, and what they occupy, as operations. No I/O.

A page goes through the shards in their order. Of each it reads the index by deadline or, for an owner, the owner
index, which is much smaller; where entries of that were evicted, it takes the index by deadline after all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from djust.exceptions import InvalidArgument
from djust.state_backend.arguments import check_name
from djust.state_backend.records import SessionInfo, SessionPage
from djust.state_backend.redis.calls import Call, Operation, command, run
from djust.state_backend.redis.layout import Layout, Shard, owner_bucket, parse_member
from djust.state_backend.redis.operations import EMPTY, TRUSTED
from djust.state_backend.redis.scripts import OWNED, OWNER_PAGE, PAGE, SIZES

#: Entries of an owner bucket above which its owner's are not counted one by one.
LARGE_BUCKET = 1000

#: A scan that is asked for exactly what is there stops before it knows that there is no more.
SLACK = 16

_CURSOR = re.compile(r"([do])(\d{1,2}):(\d{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page starts."""

    shard: int = 0
    #: Of the scan within the shard; 0: at its beginning.
    inner: bytes = b"0"
    #: Whether that scan is one of the owner index.
    by_owner: bool = False

    @classmethod
    def parse(cls, cursor: str | None, layout: Layout, *, owner: bytes) -> Position:
        """Read what ``text`` wrote.

        Raises:
            InvalidArgument: It is no cursor of such a list.
        """
        if cursor is None:
            return cls()
        match = _CURSOR.fullmatch(cursor)
        if match is None or int(match[2]) >= len(layout.shards) or (match[1] == "o" and not owner):
            raise InvalidArgument("This is no cursor of this list. Begin without one.")
        return cls(int(match[2]), match[3].encode(), match[1] == "o")

    def text(self) -> str:
        """Return it as a cursor. It holds no key."""
        return f"{'o' if self.by_owner else 'd'}{self.shard}:{self.inner.decode()}"


@dataclass(frozen=True, slots=True)
class Part:
    """A shard that is to be read."""

    number: int
    by_owner: bool
    #: Entries to expect.
    count: int


class Pages:
    """The pages of one list.

    Args:
        layout: Where to look.
        owner: Whose sessions; ``None``: anybody's.
        label: Sessions of what kind; ``None``: any.
        size: How many sessions a page should have. It has a few more rather than a round trip for each part.

    Raises:
        InvalidArgument: A name cannot be that of a session.
    """

    def __init__(self, layout: Layout, owner: str | int | None, label: str | None, size: int) -> None:
        self._layout = layout
        self._owner = b"" if owner is None else check_name("owner", owner).encode()
        self._label = b"" if label is None else check_name("label", label).encode()
        self._size = max(1, size)

    def page(self, cursor: str | None) -> Operation[SessionPage]:
        """Return the page that starts at a cursor, in three round trips at most.

        It ends within a shard, or with as many shards as together hold enough entries.
        """
        start = Position.parse(cursor, self._layout, owner=self._owner)
        found: list[SessionInfo] = []
        looked_at = 0
        if start.inner != b"0":
            reply = yield from self._go_on(start)
            if reply is not None:
                looked_at += self._take(reply, found)
                if reply[0] != b"0":
                    after = Position(start.shard, reply[0], start.by_owner)
                    return SessionPage(sessions=found, cursor=after.text(), looked_at=looked_at)
                start = Position(start.shard + 1)
        parts = yield from self._parts(start.shard)
        wave = list(self._wave(parts, self._size - len(found)))
        replies = (yield [self._call(part, b"0", count) for part, count in wave]) if wave else []
        after_wave = parts[len(wave)].number if len(wave) < len(parts) else None
        end = None if after_wave is None else Position(after_wave)
        for (part, _), reply in zip(wave, replies, strict=True):
            looked_at += self._take(reply, found)
            if reply[0] != b"0":
                # More than was expected. What the later parts said comes with the next page.
                end = Position(part.number, reply[0], part.by_owner)
                break
        return SessionPage(sessions=found, cursor=None if end is None else end.text(), looked_at=looked_at)

    def _go_on(self, start: Position) -> Operation[Sequence[Any] | None]:
        """Return more of the shard that the page before ended in; ``None``: that has to begin anew."""
        shard = self._layout.shards[start.shard]
        call = self._call(Part(start.shard, start.by_owner, self._size), start.inner, self._size)
        reply: Sequence[Any]
        if not start.by_owner:
            [reply] = yield [call]
            return reply
        [[trust, _, _], reply] = yield [self._owned(shard), call]
        return reply if trust in (TRUSTED, EMPTY) else None

    def _parts(self, first: int) -> Operation[list[Part]]:
        """Return the shards from ``first`` on that hold something, and how to read them."""
        numbers = range(first, len(self._layout.shards))
        if not numbers:
            return []
        shards = self._layout.shards[first:]
        if not self._owner:
            counts = yield [command("ZCARD", shard.due) for shard in shards]
            parts = [Part(number, False, count) for number, count in zip(numbers, counts, strict=True)]
        else:
            replies = yield [self._owned(shard) for shard in shards]
            parts = [
                Part(number, True, owned) if trust in (TRUSTED, EMPTY) else Part(number, False, in_due)
                for number, (trust, owned, in_due) in zip(numbers, replies, strict=True)
            ]
        return [part for part in parts if part.count]

    def _wave(self, parts: Sequence[Part], wanted: int) -> Iterator[tuple[Part, int]]:
        """Yield the parts that make up a page, and how much to ask of each."""
        for part in parts:
            if wanted <= 0:
                return
            yield part, 2 * part.count + SLACK if part.count <= wanted else wanted
            wanted -= part.count

    def _owned(self, shard: Shard) -> Call:
        keys = (shard.due, shard.act, shard.never, shard.meta)
        return run(OWNED, keys, self._owner, owner_bucket(self._owner), LARGE_BUCKET, repeatable=True)

    def _call(self, part: Part, inner: bytes, count: int) -> Call:
        shard = self._layout.shards[part.number]
        keys = (shard.due, shard.act, shard.never)
        names = (self._owner, self._label)
        if part.by_owner:
            return run(OWNER_PAGE, keys, inner, count, *names, owner_bucket(self._owner), repeatable=True)
        return run(PAGE, keys, inner, count, *names, repeatable=True)

    def _take(self, reply: Sequence[Any], found: list[SessionInfo]) -> int:
        _, looked_at, flat = reply
        found += [
            parse_member(member).info(float(deadline), int(float(active or 0)))
            for member, deadline, active in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        ]
        return int(looked_at)


def session_sizes(layout: Layout, keys: Sequence[str]) -> Operation[list[int | None]]:
    """Return the bytes that each payload occupies, ``None`` for one that is not there."""
    by_shard: dict[Shard, dict[str, bytes]] = {}
    for key in keys:
        name = check_name("key", key).encode()
        shard = layout.shard(name)
        by_shard.setdefault(shard, {})[key] = shard.payload(name)
    calls = [run(SIZES, names.values(), repeatable=True) for names in by_shard.values()]
    replies = (yield calls) if calls else []
    sizes: dict[str, int | None] = {}
    for names, reply in zip(by_shard.values(), replies, strict=True):
        sizes.update(zip(names, reply, strict=True))
    return [sizes[key] for key in keys]
