"""Keeps and tells what was lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.utils import timezone

from djust import totals
from djust.database import write
from djust.log import logger
from djust.models import SessionLoss
from djust.monitoring.reading import LossReading
from djust.state_backend.base import StateBackend
from djust.tally import Losses, LossTally

#: Labels that one row, and one line in the log, name: the most frequent ones.
LABELS_NAMED = 20


class LossRecorder:
    """Writes a row for each server and cause, which grows while a run goes on.

    It is written before the store is told that a batch was reported, so a process that is killed takes the count of no
    more than one batch with it. A database that is away costs the rows only.

    Args:
        trigger: Who asked for the run, for the log.
    """

    def __init__(self, *, trigger: str) -> None:
        self._trigger = trigger
        self._rows: dict[tuple[str, str, bool], SessionLoss] = {}
        self._written: dict[tuple[str, str, bool], int] = {}

    def unwritten(self, tally: LossTally) -> list[LossReading]:
        """Return what is in no row."""
        return [
            LossReading(node=losses.node, cause=losses.cause, sessions=left, estimated=losses.estimated)
            for losses in tally.found
            if (left := losses.sessions - self._written.get(_name(losses), 0))
        ]

    def write_estimates(self, estimates: Mapping[tuple[str, str], int]) -> None:
        """Write a row for each server and cause of which only a number is known, in the caller's transaction."""
        for (node, cause), sessions in estimates.items():
            SessionLoss.objects.create(
                found_at=timezone.now(), node=node, cause=cause, sessions=sessions, estimated=True
            )
            totals.add(f"{totals.SESSIONS_LOST}:{cause}", sessions)

    def wrote(self, tally: LossTally) -> None:
        """Note that all that was counted so far is in rows."""
        self._written.update({_name(losses): losses.sessions for losses in tally.found})

    def keep(self, tally: LossTally) -> bool:
        """Write what was counted since the last time; return whether all of it is written."""
        kept = [self._keep(losses) for losses in tally.found]
        return all(kept)

    def log(self, tally: LossTally) -> None:
        """Write one line for each server and cause."""
        for losses in tally.found:
            logger.warning(
                "sessions_lost",
                trigger=self._trigger,
                node=losses.node,
                cause=losses.cause,
                sessions=losses.sessions,
                estimated=losses.estimated,
                owners=_owners(losses),
                labels=dict(losses.labels.most_common(LABELS_NAMED)),
            )

    def _keep(self, losses: Losses) -> bool:
        written = self._written.get(_name(losses), 0)
        if losses.sessions == written:
            return True
        saved: list[SessionLoss] = []
        if not write(SessionLoss, lambda: saved.append(self._save(losses, written))):
            return False
        # Only now: the key of a row that was rolled back may be another's by then.
        self._rows[_name(losses)] = saved[-1]
        self._written[_name(losses)] = losses.sessions
        return True

    def _save(self, losses: Losses, written: int) -> SessionLoss:
        known = self._rows.get(_name(losses))
        row = known or SessionLoss(
            found_at=timezone.now(), node=losses.node, cause=losses.cause, estimated=losses.estimated
        )
        row.sessions = losses.sessions
        row.owners = _owners(losses)
        row.labels = dict(losses.labels.most_common(LABELS_NAMED))
        # How many of them were judged meanwhile is not ours to say.
        row.save(update_fields=("sessions", "owners", "labels") if known else None)
        totals.add(f"{totals.SESSIONS_LOST}:{losses.cause}", losses.sessions - written)
        return row


@contextmanager
def recorded_losses(backend: StateBackend, *, trigger: str) -> Iterator[LossTally]:
    """Hand out a tally whose losses are kept while they are reported, and logged at the end, however that comes."""
    recorder = LossRecorder(trigger=trigger)
    tally = LossTally(backend, recorder.keep)
    try:
        yield tally
    finally:
        tally.keep()
        recorder.log(tally)


def _name(losses: Losses) -> tuple[str, str, bool]:
    return losses.node, losses.cause, losses.estimated


def _owners(losses: Losses) -> int | None:
    return None if losses.estimated else len(losses.owners)
