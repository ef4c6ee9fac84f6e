"""Who a Django session belongs to, also when it began under a key that is in ``SECRET_KEY_FALLBACKS`` by now."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.utils.crypto import constant_time_compare


def user_of(session: Any) -> Any:
    """Return the user who is logged in, or ``None``. Changes nothing.

    Django's ``get_user`` gives the session another key where an older secret key fits. A socket could tell that to no
    browser, and the user would be logged out.
    """
    try:
        user_id = get_user_model()._meta.pk.to_python(session[SESSION_KEY])  # noqa: SLF001 - as Django does it
        backend_path = session[BACKEND_SESSION_KEY]
    except KeyError:
        return None
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user: Any = load_backend(backend_path).get_user(user_id)
    return user if user is not None and _fits(session.get(HASH_SESSION_KEY), user) else None


def _fits(stored: str | None, user: Any) -> bool:
    """Whether the user still has the password of the login."""
    if not hasattr(user, "get_session_auth_hash"):
        return True
    if not stored:
        return False
    return constant_time_compare(stored, user.get_session_auth_hash()) or any(
        constant_time_compare(stored, former) for former in user.get_session_auth_fallback_hash()
    )


def connect() -> None:
    """Let sockets know sessions of former secret keys, if there are any.

    The middleware of Channels tries the current key alone, and ends the session where that does not fit: in the middle
    of a rolling deploy with a new key everybody who reconnects would be logged out of the whole site.
    """
    if not settings.SECRET_KEY_FALLBACKS:
        return
    # It needs the models of django.contrib.auth, which a project may do without.
    auth: Any = import_module("channels.auth")
    of_current_key = auth.get_user

    async def get_user(scope: Any) -> Any:
        user = await database_sync_to_async(user_of)(scope["session"]) if "session" in scope else None
        return user or await of_current_key(scope)

    auth.get_user = get_user
