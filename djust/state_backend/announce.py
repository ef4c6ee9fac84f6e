"""Tells the project about sessions that are over: one signal and one log event for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.dispatch import Signal

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
        errors += _raised(_signal(session).send_robust(sender=sender, **session._asdict()))
        if debug:
            _log(session)
    return errors


async def aannounce(sender: type, gone: Iterable[GoneSession]) -> int:
    """Do as ``announce`` does, without blocking the event loop for synchronous receivers."""
    errors = 0
    debug = logger.isEnabledFor("debug")
    for session in gone:
        errors += _raised(await _signal(session).asend_robust(sender=sender, **session._asdict()))
        if debug:
            _log(session)
    return errors


def _signal(session: GoneSession) -> Signal:
    return session_expired if session.expired else session_evicted


def _raised(answers: Iterable[tuple[Any, Any]]) -> int:
    return len([answer for _receiver, answer in answers if isinstance(answer, Exception)])


def _log(session: GoneSession) -> None:
    logger.debug(
        "session_expired" if session.expired else "session_evicted",
        session=hashed(session.key),
        owner=None if session.owner is None else hashed(session.owner),
        label=session.label,
        cause=session.cause,
    )
