"""Whether somebody who opened a socket is still who they were."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.contrib.auth import get_user

from djust.live_view.request import session_store
from djust.live_view.tokens import session_key_of


def still_logged_in(session: Any, user: Any) -> Any:
    """Return the user as the database has them, or ``None``: logged out, deactivated or with another password.

    Args:
        session: The Django session of the handshake.
        user: The user of the handshake.
    """
    key = session_key_of(SimpleNamespace(session=session))
    found = get_user(SimpleNamespace(session=session_store(key)))  # type: ignore[arg-type]
    return found if found.is_authenticated and found.pk == user.pk else None
