"""Keeps and tells what was lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from djust import totals
from djust.database import write
from djust.log import logger
from djust.models import SessionLoss
from djust.state_backend.base import StateBackend
from djust.tally import Losses, LossTally

#: Labels that one row, and one line in the log, name: the most frequent ones.
LABELS_NAMED = 20


@contextmanager
def recorded_losses(backend: StateBackend, *, trigger: str) -> Iterator[LossTally]:
    """Hand out a tally and record what it has counted at the end, however that comes."""
    tally = LossTally(backend)
    try:
        yield tally
    finally:
        record_losses(tally.found, trigger=trigger)


def record_losses(found: Iterable[Losses], *, trigger: str) -> None:
    """Write a row and a line in the log for each server and cause. A database that is away costs the rows only.

    Args:
        found: What a run has counted.
        trigger: Who asked for the run, for the log.
    """
    for losses in found:
        labels = dict(losses.labels.most_common(LABELS_NAMED))
        row: dict[str, Any] = {
            "node": losses.node,
            "cause": losses.cause,
            "sessions": losses.sessions,
            "estimated": losses.estimated,
            "owners": None if losses.estimated else len(losses.owners),
        }
        logger.warning("sessions_lost", trigger=trigger, **row, labels=labels)
        kept = SessionLoss(found_at=timezone.now(), labels=labels, **row)
        if write(SessionLoss, kept.save):
            totals.add(f"{totals.SESSIONS_LOST}:{losses.cause}", losses.sessions)
