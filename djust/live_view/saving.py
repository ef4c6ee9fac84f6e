"""How a page gets into the store, and how it gets along with others that hold the same page."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from typing import TypeVar

from djust.exceptions import BackendDenied, BackendFull, BackendUnavailable, SessionGone, VersionConflict
from djust.live_view.page import LivePage
from djust.live_view.threads import in_thread
from djust.state_backend.registry import get_backend

T = TypeVar("T")

#: For how long a socket waits for a store that is away before it is closed. The browser sends its event again then.
PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class Kept(Enum):
    """What ``keep_number`` found."""

    #: The session is over.
    GONE = "gone"
    #: The event was handled already, by another server for example, or it cannot be noted.
    SEEN = "seen"
    #: It was not, and is noted.
    NOTED = "noted"


async def save(page: LivePage) -> None:
    """Save a page over the version that it was read or saved as.

    While the store cannot be reached it is tried again: what the event did is in memory only, and would be done twice
    if the browser had to send it again.

    Raises:
        VersionConflict, SessionGone: Another tab or server was first, or the session is over.
        CodecError, BackendFull, BackendDenied: It cannot be stored.
        BackendUnavailable: The store was away for too long.
    """
    backend = get_backend()
    state = page.stored()
    session = await patiently(lambda: backend.aset(page.key, state, expected_version=page.version))
    page.version = session.version


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the store, again and again while it cannot be reached, and return what it answers.

    Raises:
        BackendUnavailable: It was away for ``PATIENCE_SECONDS``.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE_SECONDS
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await ask()
        except BackendUnavailable:
            if clock() + pause > deadline:
                raise
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load, keeps no secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def keep_number(page: LivePage, client: str, number: int | None) -> Kept:
    """Give up what an event changed: take over what is stored, and note there that the event was handled.

    Args:
        page: The page.
        client: Whose event it was.
        number: Its number; ``None``: it had none.

    Returns:
        What became of the number.

    Raises:
        PageStale: What is stored was made by another release.
        BackendError: The store cannot do it.
    """
    while True:
        session = await get_backend().aget(page.key)
        if session is None:
            return Kept.GONE
        await in_thread(partial(page.adopt, session))
        page.request.renew_session()
        if number is None or page.record.has_seen(client, number):
            return Kept.SEEN
        page.record.note(client, number)
        try:
            await save(page)
        except VersionConflict:
            # Somebody else got on with it, so the next attempt finds something new.
            continue
        except SessionGone:
            return Kept.GONE
        except (BackendFull, BackendDenied):
            # It cannot be noted. It is not sent again all the same, unless the answer that it was taken is lost.
            return Kept.SEEN
        return Kept.NOTED
