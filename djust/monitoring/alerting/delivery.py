"""How sending a message can fail, in words that hold no secret."""

from __future__ import annotations

from djust.exceptions import DjustError


class NotDelivered(DjustError):
    """A receiver did not take a message. It may do so later."""


def reason(error: Exception) -> str:
    """Return why a message was not delivered: our own words, or no more than the class of a foreign error.

    Those of mail backends and HTTP clients quote addresses, answers, and URLs with what is secret in them.
    """
    return str(error) if isinstance(error, DjustError) else type(error).__name__
