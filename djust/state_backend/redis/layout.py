"""How sessions lie in Redis: key names, the header of a payload, the members of the index. No I/O.

Every key of a shard carries the shard's hash tag, so that one script can change all of them in one atomic step on
Redis Cluster too. ``docs/data-model.md`` shows the whole picture.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from djust.exceptions import InvalidArgument, PayloadCorrupt, PayloadTooNew
from djust.state_backend.records import GoneSession, Notice, Session, SessionInfo, from_milliseconds

SHARDS = 64
OWNER_BUCKETS = 256

MAGIC = b"dj"
FORMAT = 1

#: magic, format, flags, version, created, active, deadline, ttl (ms), body offset, owner bucket, lengths of the names
_HEADER = struct.Struct(">2sBBQQQQQHBHH")
#: created (6 bytes), owner bucket, lengths of key and owner
_MEMBER = struct.Struct(">6sBHH")
#: kind, deadline, last activity (ms, 0 unknown)
_RECORD = struct.Struct(">cQQ")


def shard_of(key: bytes) -> int:
    """Return the shard that holds a session."""
    return crc32(key) % SHARDS


def owner_bucket(owner: bytes) -> int:
    """Return the bucket of the owner index, the same in every shard."""
    return crc32(owner) % OWNER_BUCKETS


@dataclass(frozen=True, slots=True)
class Shard:
    """The names of the keys of one shard."""

    base: bytes
    #: Sorted set, one member per incarnation of a session, by deadline.
    due: bytes
    #: Sorted set, keys of sessions that idle out, by last activity.
    act: bytes
    #: Sorted set, keys of sessions that never idle out, by last activity.
    never: bytes
    #: List, the outbox: sessions that are over and wait to be reported.
    gone: bytes
    #: Hash: how many entries the indexes should have, and reports in flight.
    meta: bytes

    def payload(self, key: bytes) -> bytes:
        """Return the name of a session's payload."""
        return self.base + b"s:" + key


class Layout:
    """The key names under one prefix."""

    def __init__(self, prefix: str, database: int = 0) -> None:
        if not prefix or "{" in prefix or "}" in prefix:
            raise InvalidArgument(
                f"The key prefix {prefix!r} must not be empty and must not contain braces, "
                "which Redis Cluster takes for a hash tag."
            )
        self.prefix = prefix.encode()
        #: Where notices are published. Unlike keys, channels are shared by all databases of a server.
        self.channel = self.prefix + b"notices:%d" % database
        self.shards = tuple(self._shard(number) for number in range(SHARDS))
        #: A glob for SCAN that matches payloads under this prefix and nothing else.
        self.payload_pattern = re.sub(rb"([\\*?\[\]^-])", rb"\\\1", self.prefix) + b"{??}:s:*"
        self._payload = re.compile(re.escape(self.prefix) + rb"\{([0-9a-f]{2})\}:s:(.*)", re.DOTALL)

    def _shard(self, number: int) -> Shard:
        base = self.prefix + b"{%02x}:" % number
        return Shard(base, *(base + name for name in (b"due", b"act", b"never", b"gone", b"meta")))

    def shard(self, key: bytes) -> Shard:
        """Return the shard of a session."""
        return self.shards[crc32(key) % SHARDS]

    def lease(self, name: str) -> bytes:
        """Return the name of a lease."""
        return self.prefix + b"lease:" + name.encode()

    def parse_payload(self, name: bytes) -> tuple[Shard, bytes] | None:
        """Return the shard and the session key of a payload's name, or ``None`` if it is no such name."""
        match = self._payload.fullmatch(name)
        if match is None:
            return None
        key = match[2]
        shard = self.shard(key)
        return (shard, key) if shard.payload(key) == name else None


class Header(NamedTuple):
    """What a payload says about its session."""

    version: int
    created: int
    active: int
    deadline: int
    ttl: int
    body_offset: int
    owner: str | None
    label: str | None
    #: The body was found damaged earlier.
    marked: bool

    def session(self, key: str, state: dict[str, Any]) -> Session:
        """Return the session with its state."""
        created_at = from_milliseconds(self.created)
        return Session(
            key=key,
            state=state,
            version=self.version,
            owner=self.owner,
            label=self.label,
            created_at=created_at,
            last_active_at=created_at if self.active == self.created else from_milliseconds(self.active),
            expires_at=from_milliseconds(self.deadline) if self.deadline else None,
            ttl=_duration(self.ttl) if self.ttl else None,
        )


@lru_cache(maxsize=64)
def _duration(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


def parse_header(payload: bytes) -> Header:
    """Read the header of a payload.

    Raises:
        PayloadTooNew: A later release wrote it.
        PayloadCorrupt: It is damaged or not ours.
    """
    try:
        magic, form, flags, version, created, active, deadline, ttl, offset, _, owner_size, label_size = (
            _HEADER.unpack_from(payload)
        )
    except struct.error as error:
        raise PayloadCorrupt("The payload is shorter than a session's header.") from error
    if magic != MAGIC:
        raise PayloadCorrupt("The payload is not a session of djust.")
    if form != FORMAT:
        raise PayloadTooNew(f"The payload's header has format {form}; this release reads format {FORMAT}.")
    label_at = _HEADER.size + owner_size
    if label_at + label_size > offset or offset > len(payload):
        raise PayloadCorrupt("The payload's header is damaged.")
    try:
        return Header(
            version,
            created,
            active,
            deadline,
            ttl,
            offset,
            payload[_HEADER.size : label_at].decode() if owner_size else None,
            payload[label_at : label_at + label_size].decode() if label_size else None,
            flags != 0,
        )
    except UnicodeDecodeError as error:
        raise PayloadCorrupt("The names in the payload's header are damaged.") from error


@dataclass(frozen=True, slots=True)
class Member:
    """One incarnation of a session, as the index knows it."""

    created: int
    key: str
    owner: str | None
    label: str | None

    def info(self, deadline: float, active: int) -> SessionInfo:
        """Return what is known about the live session; ``deadline`` may be infinite."""
        return SessionInfo(
            key=self.key,
            owner=self.owner,
            label=self.label,
            created_at=from_milliseconds(self.created),
            last_active_at=from_milliseconds(active or self.created),
            expires_at=None if deadline == float("inf") else from_milliseconds(int(deadline)),
        )


def pack_member(key: bytes, created: int, owner: bytes, label: bytes) -> bytes:
    """Return the member of the index for one incarnation of a session, as the scripts write it."""
    bucket = owner_bucket(owner) if owner else 0
    return _MEMBER.pack(created.to_bytes(6), bucket, len(key), len(owner)) + key + owner + label


def parse_member(member: bytes) -> Member:
    """Read a member of the index. Its names were checked when they were written."""
    created, _, key_size, owner_size = _MEMBER.unpack_from(member)
    owner_at = _MEMBER.size + key_size
    label_at = owner_at + owner_size
    return Member(
        int.from_bytes(created),
        member[_MEMBER.size : owner_at].decode(),
        member[owner_at:label_at].decode() or None,
        member[label_at:].decode() or None,
    )


def is_loss(record: bytes) -> bool:
    """Whether a record of the outbox tells of a session that was lost before its time."""
    return record[:1] == b"e"


def parse_record(record: bytes, max_age_ms: int, loss_cause: str = "unknown") -> GoneSession:
    """Read a record of the outbox.

    Args:
        record: What a script put there.
        max_age_ms: The absolute limit; a session whose deadline was that limit expired by age.
        loss_cause: Why a session was lost, if it was.
    """
    kind, deadline, active = _RECORD.unpack_from(record)
    created, _, key_size, owner_size = _MEMBER.unpack_from(record, _RECORD.size)
    created_ms = int.from_bytes(created)
    key_at = _RECORD.size + _MEMBER.size
    owner_at = key_at + key_size
    label_at = owner_at + owner_size
    if kind == b"e":
        cause = loss_cause
    elif kind == b"x" and max_age_ms and deadline >= created_ms + max_age_ms:
        cause = "max_age"
    else:
        cause = "idle"
    return GoneSession(
        record[key_at:owner_at].decode(),
        record[owner_at:label_at].decode() or None,
        record[label_at:].decode() or None,
        from_milliseconds(created_ms),
        from_milliseconds(active) if active else None,
        cause,
    )


def pack_notice(notice: Notice) -> bytes:
    """Return a notice as it goes through the channel: the length of its topic, topic, message."""
    topic = notice.topic.encode()
    return bytes((len(topic),)) + topic + notice.message


def parse_notice(data: bytes) -> Notice | None:
    """Read what came through the channel; ``None``: that was no notice."""
    end = 1 + data[0] if data else 0
    if not 1 < end <= len(data):
        return None
    try:
        return Notice(data[1:end].decode(), data[end:])
    except UnicodeDecodeError:
        return None
