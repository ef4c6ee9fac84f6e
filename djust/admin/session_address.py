"""Session keys and owners in the addresses of pages.

Addresses end up in access logs, which must not hold a key. So a name is sealed: encrypted with a key stream that its
own keyed digest selects (SIV, as in RFC 5297, built from BLAKE2b and SHAKE-256), which also makes any text, slashes
and spaces included, one plain segment of a path. The same name has the same address for as long as ``SECRET_KEY``
stays. Whoever is shown a page may see the name: sealing gives no right to anything.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import blake2b, shake_256
from hmac import compare_digest

from django.conf import settings

_DIGEST_BYTES = 16


def seal(name: str) -> str:
    """Return a key or owner as a segment of an address."""
    text = name.encode()
    digest = _digest(text)
    return urlsafe_b64encode(digest + _mask(text, digest)).rstrip(b"=").decode()


def unseal(segment: str) -> str | None:
    """Return what ``seal`` was given, or ``None`` if that made no such segment."""
    try:
        raw = urlsafe_b64decode(segment.encode() + b"=" * (-len(segment) % 4))
        digest = raw[:_DIGEST_BYTES]
        text = _mask(raw[_DIGEST_BYTES:], digest)
        return text.decode() if compare_digest(_digest(text), digest) else None
    except (Error, ValueError):
        return None


def _secret(purpose: bytes) -> bytes:
    return blake2b(str(settings.SECRET_KEY).encode(), person=purpose).digest()


def _digest(text: bytes) -> bytes:
    return blake2b(text, key=_secret(b"djust.address"), digest_size=_DIGEST_BYTES).digest()


def _mask(text: bytes, digest: bytes) -> bytes:
    stream = shake_256(_secret(b"djust.stream") + digest).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))
