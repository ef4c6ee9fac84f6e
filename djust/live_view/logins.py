"""What a logout on one server means for the sockets on all of them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out

from djust.exceptions import DjustError
from djust.live_view.tokens import login_digest, session_key_of
from djust.log import logger
from djust.state_backend.registry import get_backend

#: The topic of the notice; its message stands for the Django session that ended.
LOGOUT = "logout"


def connect() -> None:
    """Hear of logouts in this process."""
    user_logged_out.connect(tell, dispatch_uid="djust.live_view.logins")


def tell(sender: Any, request: Any = None, **_: Any) -> None:
    """Tell every server that a Django session ended. A store that is away does not keep anybody from logging out."""
    key = session_key_of(request) if request is not None else ""
    if not key:
        return
    try:
        get_backend().publish(LOGOUT, login_digest(key).encode())
    except DjustError as error:
        # Sockets are looked at every minute, too.
        logger.warning("logout_not_published", error=str(error))
