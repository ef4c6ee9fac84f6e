"""What a logout on one server means for the sockets on all of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.signals import user_logged_out
from django.db import transaction

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
    """Tell every server that a Django session ended, as soon as it has.

    Django sends the signal before: a page that hears of it at once would reload while the session still exists.
    """
    key = session_key_of(request) if request is not None else ""
    if not key:
        return
    session, message = request.session, login_digest(key).encode()
    flush, aflush = session.flush, session.aflush

    def flush_and_tell() -> None:
        flush()
        # Where the request is one transaction, others see the end of the session only when that is committed.
        transaction.on_commit(partial(_publish, message), robust=True)

    async def aflush_and_tell() -> None:
        await aflush()
        await sync_to_async(_publish)(message)

    session.flush, session.aflush = flush_and_tell, aflush_and_tell


def _publish(message: bytes) -> None:
    """Publish it. A store that is away does not keep anybody from logging out."""
    try:
        get_backend().publish(LOGOUT, message)
    except DjustError as error:
        # Sockets are looked at every minute, too.
        logger.warning("logout_not_published", error=str(error))
