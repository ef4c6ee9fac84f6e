"""The signed token that lets a browser join the page it was given, and nobody else."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing
from django.http import HttpRequest

from djust.live_view.errors import Refused
from djust.live_view.protocol import Close

_SALT = "djust.live_view.page"
#: Holds a random number for visitors who have no Django session, so that a token is bound to their browser.
VISITOR_COOKIE = "djust_visitor"


class PageToken(NamedTuple):
    """What a token says."""

    #: The key of the page's session in the store.
    key: str
    #: The dotted path of the view class.
    view: str
    #: The user's id as text; empty for nobody.
    user: str
    #: Digests of what tells the browser from others: the Django session, and for visitors who are not logged in, whose
    #: session may begin later, or where a session has no key, their number.
    browser: list[str]


def issue(key: str, view: str, request: HttpRequest, visitor: str = "") -> str:
    """Return the token of a page for the browser that asked for it.

    Args:
        key: The key of the page's session.
        view: The dotted path of the view class.
        request: The request for the page.
        visitor: The visitor's number, see ``visitor_of``.
    """
    user = user_id(request)
    session_key = session_key_of(request)
    digests = browser_digests(session_key, "" if user and session_key else visitor)
    return signing.dumps([key, view, user, digests], salt=_SALT)


def visitor_of(request: HttpRequest) -> tuple[str, bool]:
    """Return the number of a visitor, and whether it is new and must be sent as a cookie; empty if none is needed."""
    visitor = request.COOKIES.get(VISITOR_COOKIE, "")
    if visitor or session_key_of(request):
        return visitor, False
    return secrets.token_urlsafe(16), True


def read(text: Any, request: HttpRequest) -> PageToken:
    """Return what a token says, if it was issued to this browser and this user.

    Raises:
        Refused: It was not issued by this site, or to somebody else.
    """
    try:
        token = PageToken(*signing.loads(text, salt=_SALT)) if isinstance(text, str) else None
    except (signing.BadSignature, TypeError):
        token = None
    if token is None:
        raise Refused(Close.TOKEN_REFUSED, "The token was not issued by this site.")
    if token.user != user_id(request):
        raise Refused(Close.LOGGED_OUT, "The page was made for another user.")
    digests = browser_digests(session_key_of(request), request.COOKIES.get(VISITOR_COOKIE, ""))
    if not set(digests) & set(token.browser):
        raise Refused(Close.TOKEN_REFUSED, "The page was made for another browser.")
    return token


def user_id(request: HttpRequest) -> str:
    """Return the id of the user who is logged in, as text; empty for nobody."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else ""


def login_digest(session_key: str) -> str:
    """Return what stands for a Django session in notices between servers."""
    return hashlib.sha256(f"login:{session_key}".encode()).hexdigest()


def browser_digests(session_key: str, visitor: str) -> list[str]:
    """Return what stands for a browser in a token. Nothing can be found from it: both are long random texts."""
    named = [("session", session_key), ("visitor", visitor)]
    return [hashlib.sha256(f"{name}:{value}".encode()).hexdigest()[:32] for name, value in named if value]


def session_key_of(request: Any) -> str:
    """Return the key of a request's Django session; empty where there is none."""
    session = getattr(request, "session", None)
    if session is None or settings.SESSION_ENGINE.endswith("signed_cookies"):
        # A session that lives in its cookie has no key: what Django calls so changes with the session.
        return ""
    # Reads it: until then the key is whatever the cookie says, also of a session that is over.
    session.keys()
    return session.session_key or ""
