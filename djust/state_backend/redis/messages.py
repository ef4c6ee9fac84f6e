"""What is sent for one session, and what the replies mean: the same for both clients. No I/O."""

from __future__ import annotations

import os
from collections import OrderedDict
from hashlib import blake2b
from typing import Any, NamedTuple

from djust.codec import Codec
from djust.exceptions import (
    BackendError,
    BackendUnavailable,
    CodecError,
    DjustError,
    PayloadTooLarge,
    PayloadTooNew,
    SessionGone,
    SessionUnreadable,
    VersionConflict,
)
from djust.log import hashed, logger
from djust.state_backend.arguments import check_name, check_seconds, check_version, ttl_milliseconds
from djust.state_backend.records import Session
from djust.state_backend.redis.calls import Argument, Call, command, run
from djust.state_backend.redis.layout import Header, Layout, owner_bucket, parse_header
from djust.state_backend.redis.operations import delete_call
from djust.state_backend.redis.scripts import MARK, TOUCH, WRITE

#: Index entries that a write looks at, and how many writes share one look while nothing is found.
LOOKS = 4
LOOK_EVERY = 4
#: Writes that each take a look after one has found something.
EAGER_WRITES = 32

#: Writes whose reply was lost that are remembered until they are tried again.
MAX_UNCERTAIN = 1000


class Identity(NamedTuple):
    """What makes two writes the same one, tried twice."""

    key: bytes
    expected: int
    ttl: Argument
    owner: bytes
    label: bytes
    body: bytes

    def fingerprint(self) -> bytes:
        """Return it short, so that it can be kept for many writes."""
        return blake2b(repr(tuple(self)).encode(), digest_size=16).digest()


class Write(NamedTuple):
    """One write of a session, as it was asked for."""

    #: ``None`` where any version may be overwritten, so that trying again does no harm.
    identity: Identity | None
    version: bytes
    call: Call


class Messages:
    """Builds the calls of one backend and reads their replies."""

    def __init__(self, layout: Layout, codec: Codec, *, default_ttl_ms: int, max_age_ms: int) -> None:
        self._layout = layout
        self._codec = codec
        self._default_ttl_ms = default_ttl_ms
        self._max_age_ms = max_age_ms
        self._writes = 0
        self._eager_writes = 0
        self._uncertain: OrderedDict[bytes, bytes] = OrderedDict()

    def read(self, name: bytes) -> Call:
        """Return the call that reads a payload."""
        return command("GET", self._layout.shard(name).payload(name))

    def read_reply(self, key: str, name: bytes, payload: bytes) -> tuple[Session | None, Call | None]:
        """Return the session, or ``None`` and perhaps a call that marks its damaged payload."""
        header: Header | None = None
        try:
            header = parse_header(payload)
            return header.session(key, self._codec.decode(payload[header.body_offset :])), None
        except CodecError as error:
            if header is not None and header.marked:
                return None, None
            logger.error("session_undecodable", session=hashed(key), reason=str(error), bytes=len(payload))
            if header is None or isinstance(error, (PayloadTooNew, PayloadTooLarge)):
                return None, None
            return None, run(MARK, (self._layout.shard(name).payload(name),), header.version.to_bytes(8))

    def unreadable(self, key: str, error: SessionUnreadable) -> None:
        """Say that something else than a payload lies where a session should."""
        logger.error("session_undecodable", session=hashed(key), reason=str(error))

    def write(
        self,
        key: str,
        state: dict[str, Any],
        ttl: float | None,
        owner: str | int | None,
        label: str | None,
        expected_version: int | None,
    ) -> Write:
        """Return the write of a session; see ``StateBackend.set`` for arguments and errors."""
        name = check_name("key", key).encode()
        owner_name = b"" if owner is None else check_name("owner", owner).encode()
        expected = check_version(expected_version)
        label_name = b"" if label is None else check_name("label", label).encode()
        own_ttl: Argument = b"" if ttl is None else ttl_milliseconds(check_seconds("ttl", ttl))
        body = self._codec.encode(state)
        identity = None if expected is None else Identity(name, expected, own_ttl, owner_name, label_name, body)
        version = self._version_for(identity)
        shard = self._layout.shard(name)
        call = run(
            WRITE,
            (shard.payload(name), shard.due, shard.act, shard.never, shard.gone, shard.meta),
            name,
            version,
            b"" if expected is None else b"new" if expected == 0 else expected.to_bytes(8),
            own_ttl,
            self._default_ttl_ms,
            self._max_age_ms,
            owner_name,
            owner_bucket(owner_name) if owner_name else 0,
            label_name,
            body,
            self._looks(),
            # Over a known version it is saved once at most. Any other one, sent again, might bring back what was
            # deleted meanwhile or cover what somebody else wrote.
            repeatable=bool(expected),
        )
        return Write(identity, version, call)

    def _looks(self) -> int:
        """Return how many index entries the next write looks at: more often while some are found to be over."""
        self._writes += 1
        if self._eager_writes > 0:
            self._eager_writes -= 1
            return LOOKS
        return LOOKS if self._writes % LOOK_EVERY == 0 else 0

    def _version_for(self, identity: Identity | None) -> bytes:
        """Return a new version, or the one of the same write whose reply was lost.

        A version is 63 random bits: it names this very write, so that the script recognises a repeated one, and no
        two incarnations of a session ever share one.
        """
        if identity is not None and self._uncertain:
            lost = self._uncertain.pop(identity.fingerprint(), None)
            if lost is not None:
                return lost
        number = int.from_bytes(os.urandom(8)) >> 1
        return (number or 1).to_bytes(8)

    def remember_unless_answered(self, write: Write, error: BaseException) -> None:
        """Keep a write that ended without an answer, so that the same one, tried again, is recognised.

        Cancelled, timed out or interrupted: Redis may have carried it out all the same.
        """
        answered = isinstance(error, DjustError) and not isinstance(error, BackendUnavailable)
        if write.identity is None or answered:
            return
        self._uncertain[write.identity.fingerprint()] = write.version
        while len(self._uncertain) > MAX_UNCERTAIN:
            self._uncertain.popitem(last=False)

    def write_reply(self, key: str, state: dict[str, Any], reply: Any) -> Session:
        """Return the session as it was saved, holding the very dict that was passed, or raise what went wrong."""
        if isinstance(reply, list):
            header = parse_header(reply[0])
            if reply[1]:
                self._eager_writes = EAGER_WRITES
            if logger.isEnabledFor("debug") and header.created == header.active:
                logger.debug("session_created", session=hashed(key), label=header.label)
            return header.session(key, state)
        if reply == b"C":
            raise VersionConflict
        if reply == b"G":
            raise SessionGone
        if reply == b"U":
            raise SessionUnreadable
        raise BackendError("Redis answered a write in a way that this release does not know.")

    def touch(self, key: str, ttl: float | None) -> Call:
        """Return the call that moves the idle deadline."""
        name = check_name("key", key).encode()
        shard = self._layout.shard(name)
        return run(
            TOUCH,
            (shard.payload(name), shard.due, shard.act, shard.never),
            name,
            b"" if ttl is None else ttl_milliseconds(check_seconds("ttl", ttl)),
            self._max_age_ms,
            repeatable=True,
        )

    def delete(self, key: str) -> Call:
        """Return the call that ends a session."""
        name = check_name("key", key).encode()
        return delete_call(self._layout, name)

    def delete_reply(self, key: str, reply: int) -> bool:
        """Return whether the session lived."""
        if reply and logger.isEnabledFor("debug"):
            logger.debug("session_deleted", session=hashed(key))
        return reply == 1
