"""Whether somebody who opened a socket is still who they were."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from djust.live_view.fallback_keys import user_of
from djust.live_view.request import session_store
from djust.live_view.tokens import session_key_of


def still_logged_in(session: Any, user: Any) -> Any:
    """Return the user as the database has them, or ``None``: logged out, deactivated or with another password.

    Args:
        session: The Django session of the handshake.
        user: The user of the handshake.
    """
    key = session_key_of(SimpleNamespace(session=session))
    found = user_of(session_store(key))
    return found if found is not None and found.pk == user.pk else None
