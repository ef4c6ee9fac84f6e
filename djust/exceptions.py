"""Every error that djust raises. The docstring of a class is the message a user sees when none is given."""

from __future__ import annotations

from typing import Any


class DjustError(Exception):
    """Something went wrong in djust."""

    #: What had been done before it went wrong, as JSON-like values, where that is more than nothing.
    figures: dict[str, Any] | None = None

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message if message is not None else (type(self).__doc__ or "").strip())


class InvalidArgument(DjustError, ValueError):
    """An argument is out of its range or of the wrong type."""


class BackendError(DjustError):
    """The state backend could not do what was asked."""


class BackendUnavailable(BackendError):
    """The state backend cannot be reached. Check that it runs and that REDIS_URL points at it."""


class BackendFull(BackendError):
    """The state backend has no room for this session. Raise its memory limit or shorten SESSION_TTL."""


class BackendDenied(BackendError):
    """The state backend refused a command. Give its user the commands and keys that docs/redis.md lists."""


class WriteRefused(BackendError):
    """A session could not be saved because of the state of that session."""


class VersionConflict(WriteRefused):
    """Another writer saved this session first. Read it again and repeat the change on what you find."""


class SessionGone(WriteRefused):
    """The session no longer exists: it expired, was deleted or was evicted."""


class SessionUnreadable(WriteRefused):
    """The stored session cannot be read by this release, so it was left as it is. Delete it to start afresh."""


class CodecError(DjustError):
    """A state could not be encoded or a stored payload could not be decoded."""


class UnsupportedType(CodecError, TypeError):
    """The state holds a value that cannot be stored. Convert it to a supported type first."""


class StateTooLarge(CodecError, ValueError):
    """The encoded state is larger than STATE_MAX_BYTES. Keep large data elsewhere and store a reference."""


class PayloadCorrupt(CodecError):
    """The stored payload is damaged, truncated or was not written by djust."""


class PayloadTooNew(CodecError):
    """The stored payload was written by a newer release of djust. Finish the deployment of that release."""


class PayloadTooLarge(CodecError):
    """The stored state is larger than this process may read. Give it the STATE_MAX_BYTES of the one that wrote it."""
