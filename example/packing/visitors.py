"""Which list belongs to a visitor: the key of the session stands in a cookie, the list in the state backend."""

from __future__ import annotations

import re
import secrets
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from djust.state_backend import Session, get_backend

COOKIE = "packing"
COOKIE_DAYS = 30
LABEL = "packing.views.show"

_KEY = re.compile(r"[0-9a-f]{32}")


async def load(request: HttpRequest) -> Session | None:
    """Return the visitor's live session, and keep it alive: looking at a list counts as using it."""
    key = _key(request)
    if key is None:
        return None
    backend = get_backend()
    session = await backend.aget(key)
    if session is not None:
        await backend.atouch_if_due(session)
    return session


async def create(request: HttpRequest, state: dict[str, Any]) -> Session:
    """Save a new list under a key that nobody can have known before."""
    return await get_backend().aset(
        secrets.token_hex(16), state, owner=await _owner(request), label=LABEL, expected_version=0
    )


async def save(request: HttpRequest, session: Session, version: int) -> Session:
    """Save the changed state of ``session`` over the version that the visitor saw.

    Raises:
        VersionConflict: Another tab was first.
        SessionGone: The list expired meanwhile.
    """
    return await get_backend().aset(
        session.key, session.state, owner=await _owner(request), label=LABEL, expected_version=version
    )


async def forget(request: HttpRequest) -> None:
    """Delete the visitor's list."""
    key = _key(request)
    if key is not None:
        await get_backend().adelete(key)


def remember(response: HttpResponse, session: Session) -> None:
    """Tell the browser which list is its."""
    response.set_cookie(
        COOKIE,
        session.key,
        max_age=COOKIE_DAYS * 86_400,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def was_here(request: HttpRequest) -> bool:
    """Whether this browser had a list, alive or not."""
    return _key(request) is not None


def _key(request: HttpRequest) -> str | None:
    key = request.COOKIES.get(COOKIE, "")
    return key if _KEY.fullmatch(key) else None


async def _owner(request: HttpRequest) -> str | None:
    user = await request.auser()
    return str(user.pk) if user.is_authenticated else None
