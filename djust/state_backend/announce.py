"""Tells the project about sessions that are over: one signal and one log event for each."""

from __future__ import annotations

from collections.abc import Iterable

from djust.log import hashed, logger
from djust.signals import session_evicted, session_expired
from djust.state_backend.records import GoneSession


def announce(sender: type, gone: Iterable[GoneSession]) -> int:
    """Send the signal and write the log event of each session.

    Args:
        sender: The class of the state backend, the sender of the signals.
        gone: Sessions that this caller has claimed, so nobody else announces them.

    Returns:
        How many signal receivers raised. Django logs each of those under ``django.dispatch``.
    """
    errors = 0
    debug = logger.isEnabledFor("debug")
    for session in gone:
        signal = session_expired if session.expired else session_evicted
        for _receiver, answer in signal.send_robust(
            sender=sender,
            key=session.key,
            owner=session.owner,
            label=session.label,
            created_at=session.created_at,
            last_active_at=session.last_active_at,
            cause=session.cause,
        ):
            errors += isinstance(answer, Exception)
        if debug:
            _log(session)
    return errors


async def aannounce(sender: type, gone: Iterable[GoneSession]) -> int:
    """Do as ``announce`` does, without blocking the event loop for synchronous receivers."""
    errors = 0
    debug = logger.isEnabledFor("debug")
    for session in gone:
        signal = session_expired if session.expired else session_evicted
        for _receiver, answer in await signal.asend_robust(
            sender=sender,
            key=session.key,
            owner=session.owner,
            label=session.label,
            created_at=session.created_at,
            last_active_at=session.last_active_at,
            cause=session.cause,
        ):
            errors += isinstance(answer, Exception)
        if debug:
            _log(session)
    return errors


def _log(session: GoneSession) -> None:
    logger.debug(
        "session_expired" if session.expired else "session_evicted",
        session=hashed(session.key),
        owner=None if session.owner is None else hashed(session.owner),
        label=session.label,
        cause=session.cause,
    )
