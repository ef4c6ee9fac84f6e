"""Finds live sessions a page at a time, in bounded time."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from djust.exceptions import BackendDenied
from djust.log import hashed
from djust.state_backend.base import StateBackend
from djust.state_backend.records import SessionInfo, SessionPage

PAGE_SIZE = 100

#: Entries asked for at once where few of them are wanted.
WALK_SIZE = 500

#: How long one request may look for what is rare.
BUDGET_SECONDS = 2.0

_HASH = re.compile(r"[0-9a-f]{16}", re.ASCII)


class By(models.TextChoices):
    """What a search is for."""

    OWNER = "owner", _("owner")
    LABEL = "label", _("label")
    KEY = "key", _("session key")
    HASH = "hash", _("hash from the log")


def list_sessions(
    backend: StateBackend, cursor: str | None = None, *, owner: str | None = None, label: str | None = None
) -> SessionPage:
    """Return a page of about ``PAGE_SIZE`` sessions, or what was found when the time was over.

    Raises:
        InvalidArgument: The cursor is none of this list, or a name cannot be that of a session.
        BackendError: The store cannot be reached, or does not answer this.
    """
    give_up_at = time.monotonic() + BUDGET_SECONDS
    # A scan may say twice what moves while it goes on.
    found: dict[str, SessionInfo] = {}
    looked_at, size = 0, PAGE_SIZE
    while True:
        page = backend.page_sessions(cursor, owner=owner, label=label, size=size)
        found.update((info.key, info) for info in page.sessions)
        looked_at += page.looked_at
        cursor = page.cursor
        if cursor is None or len(found) >= PAGE_SIZE or time.monotonic() >= give_up_at:
            return SessionPage(sessions=list(found.values()), cursor=cursor, looked_at=looked_at)
        size = min(2 * size, WALK_SIZE)


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the search for a hash came."""

    found: SessionInfo | None
    #: Where to go on; ``None``: every session was looked at.
    cursor: str | None
    looked_at: int


def is_hash(text: str) -> bool:
    """Whether a text can be a hash that the log prints."""
    return _HASH.fullmatch(text) is not None


def find_hash(backend: StateBackend, wanted: str, cursor: str | None = None) -> Walk:
    """Look for the session whose hash the log printed. Nothing leads from a hash to a key, so this asks each one.

    Raises:
        InvalidArgument, BackendError: See ``list_sessions``.
    """
    give_up_at = time.monotonic() + BUDGET_SECONDS
    looked_at = 0
    while True:
        page = backend.page_sessions(cursor, size=WALK_SIZE)
        looked_at += page.looked_at
        for info in page.sessions:
            if hashed(info.key) == wanted:
                return Walk(info, None, looked_at)
        cursor = page.cursor
        if cursor is None or time.monotonic() >= give_up_at:
            return Walk(None, cursor, looked_at)


def measure(backend: StateBackend, keys: Sequence[str]) -> tuple[list[int | None], str]:
    """Return the size of each session in bytes, and why sizes are unavailable, if the store refuses to tell them.

    Raises:
        BackendUnavailable: The store cannot be reached.
    """
    try:
        return backend.session_sizes(keys), ""
    except BackendDenied as error:
        return [None] * len(keys), str(error)
