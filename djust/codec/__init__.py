"""State to bytes and back: a versioned envelope around MessagePack, which can hold data and nothing that runs.

The envelope of format 1::

    1 byte    format version
    1 byte    flags; bit 0: the content is compressed
    4 bytes   CRC-32 of everything that follows, big endian
    4 bytes   only if compressed: length of the content before compression, big endian
    the rest  the content: MessagePack, as it is or as a zlib stream

The checksum finds damage. It is no signature: whoever can write to the store can write any state.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Self

from djust.codec.content import UNPACK_ERRORS, pack, unpack
from djust.codec.scalars import MAX_DECIMAL_CHARACTERS, MAX_INT_BITS
from djust.conf import Config
from djust.exceptions import PayloadCorrupt, PayloadTooLarge, PayloadTooNew, StateTooLarge
from djust.log import logger

FORMAT = 1
#: The first byte of a payload of ours stays below this, so that other data is told from a newer format.
_FORMAT_LIMIT = 16
_COMPRESSED = 0b1
_HEADER_BYTES = 6
_LENGTH_BYTES = 4
_COMPRESSION_LEVEL = 1

#: What one payload may unpack to, unless STATE_MAX_BYTES is larger: lowering that setting strands no session.
MIN_CONTENT_LIMIT = 16 * 1024 * 1024

__all__ = ["MAX_DECIMAL_CHARACTERS", "MAX_INT_BITS", "Codec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """Encodes and decodes the states of sessions. All sizes are in bytes, those of a state before compression."""

    #: Above this size the log says ``session_large``.
    warn_bytes: int
    #: Above this size a state is refused.
    max_bytes: int
    #: From this size on a state is compressed, where that makes it smaller.
    compress_bytes: int

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Build the codec that ``DJUST_CONFIG`` asks for."""
        return cls(
            warn_bytes=config.state_warn_bytes,
            max_bytes=config.state_max_bytes,
            compress_bytes=config.state_compress_bytes,
        )

    def encode(self, state: dict[str, Any]) -> bytes:
        """Return ``state`` as a payload.

        Args:
            state: A dict of None, bool, int, float, str, bytes, list, dict, tuple, set, frozenset, datetime, date,
                time, timedelta, Decimal and UUID. Subclasses of these are refused, because they would come back as
                another type. A time zone is kept by name if it is a ``ZoneInfo`` and as its offset otherwise.

        Raises:
            UnsupportedType: A value cannot be stored. The message says where it is, and not what it is.
            StateTooLarge: The encoded state is larger than ``max_bytes``.
        """
        content = pack(state)
        size = len(content)
        if size > self.max_bytes:
            raise StateTooLarge(
                f"The encoded state has {size} bytes, more than STATE_MAX_BYTES = {self.max_bytes}."
                " Keep large data elsewhere and store a reference."
            )
        if size > self.warn_bytes:
            logger.warning("session_large", bytes=size, limit=self.warn_bytes)
        flags = 0
        if size >= self.compress_bytes:
            packed = size.to_bytes(_LENGTH_BYTES, "big") + zlib.compress(content, _COMPRESSION_LEVEL)
            if len(packed) < size:
                content, flags = packed, _COMPRESSED
        return b"%c%c%b%b" % (FORMAT, flags, zlib.crc32(content).to_bytes(4, "big"), content)

    def decode(self, body: bytes) -> dict[str, Any]:
        """Return the state in a payload.

        Raises:
            PayloadCorrupt: It is damaged, truncated or not ours.
            PayloadTooNew: A later release wrote it.
            PayloadTooLarge: A process with a larger STATE_MAX_BYTES wrote it.
        """
        if not body or not 0 < body[0] < _FORMAT_LIMIT:
            raise PayloadCorrupt("The stored payload was not written by djust.")
        if body[0] != FORMAT:
            raise PayloadTooNew
        content = body[_HEADER_BYTES:]
        if len(body) <= _HEADER_BYTES or zlib.crc32(content) != int.from_bytes(body[2:_HEADER_BYTES], "big"):
            raise PayloadCorrupt("The stored payload is damaged or truncated: its checksum does not match.")
        flags = body[1]
        if flags & ~_COMPRESSED:
            raise PayloadTooNew
        limit = max(self.max_bytes, MIN_CONTENT_LIMIT)
        try:
            state = unpack(_decompress(content, limit) if flags else _within(content, limit))
        except (*UNPACK_ERRORS, zlib.error) as error:
            reason = type(error).__name__
        else:
            if type(state) is dict:
                return state
            reason = f"it holds a {type(state).__name__} instead of a dict"
        raise PayloadCorrupt(f"The stored payload cannot be read: {reason}.")


def _within(content: bytes, limit: int) -> bytes:
    if len(content) > limit:
        raise PayloadTooLarge
    return content


def _decompress(content: bytes, limit: int) -> bytes:
    size = int.from_bytes(content[:_LENGTH_BYTES], "big")
    if size > limit:
        raise PayloadTooLarge
    if not size:
        raise ValueError("empty")
    stream = zlib.decompressobj()
    raw = stream.decompress(memoryview(content)[_LENGTH_BYTES:], size)
    if not stream.eof and stream.decompress(stream.unconsumed_tail, 1):
        raise ValueError("longer than it says")
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise ValueError("not the length that it says")
    return raw
