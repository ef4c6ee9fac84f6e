"""The outbox: takes messages to people, again and again until they are delivered or a day has passed.

Any number of workers may do so at once. Who sends a message claims it first, for longer than sending may take; the
claim of a killed worker runs out. So a message is sent twice only if a worker is killed between sending and noting it,
or if sending takes longer than a claim holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from celery.exceptions import SoftTimeLimitExceeded
from django.db import router
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from djust.database import DATABASE_ERRORS, unavailable, write
from djust.log import logger
from djust.maintenance import TIME_LIMIT_SECONDS
from djust.models import AlertMessage
from djust.monitoring.alerting import apprise_urls, email
from djust.monitoring.alerting.courier import Courier
from djust.monitoring.alerting.delivery import NotDelivered, reason

#: Longer than a task may run, so that a message is not claimed again while it is being sent.
CLAIM = timedelta(seconds=2 * TIME_LIMIT_SECONDS)
#: Pauses between the attempts: the first, doubled each time, up to the last; and when to stop.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(days=1)
#: How long a receiver may take for a connection or an answer.
TIMEOUT_SECONDS = 10.0
_LEAST_TIMEOUT_SECONDS = 1.0
#: How much longer sending may take in all before it goes on without anybody who waits.
_GRACE_SECONDS = 0.5

_TOO_OLD = "It was not delivered within a day."

_CHANNELS: dict[str, Callable[[AlertMessage, float], None]] = {
    AlertMessage.Channel.EMAIL: email.send,
    AlertMessage.Channel.APPRISE: apprise_urls.send,
}
_COURIER = Courier()


@dataclass(slots=True)
class DeliveryReport:
    """What became of the messages that this worker sent."""

    sent: int = 0
    #: Will be tried again.
    failed: int = 0
    given_up: int = 0


def deliver(budget_seconds: float = 20) -> DeliveryReport:
    """Send the messages that are due, those first that were tried least. A receiver that fails is left for later.

    Args:
        budget_seconds: After this many seconds no further message is begun. For each one is waited as long as is left
            of them, ten seconds at most. What takes longer goes on meanwhile, and is noted when it is delivered; until
            then nothing else is sent to that receiver by this process.

    Returns:
        What became of them. A database that is away is logged; the messages are still there when it is back.
    """
    report = DeliveryReport()
    ends = time.monotonic() + budget_seconds
    failed = Q(pk=None)
    for channel, target in _COURIER.busy():
        failed |= Q(channel=channel, target=target)
    try:
        _give_up_old(report)
        while (left := ends - time.monotonic()) > 0:
            message = _claim(failed)
            if message is None:
                break
            if not _send(message, min(TIMEOUT_SECONDS, max(_LEAST_TIMEOUT_SECONDS, left)), report):
                # One that is silent must not cost the others the time.
                failed |= Q(channel=message.channel, target=message.target)
    except DATABASE_ERRORS as error:
        unavailable(error)
    return report


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after this many failed attempts."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts - 1, 20)
    return min(doubled, LONGEST_PAUSE)


def _rows() -> QuerySet[AlertMessage]:
    return AlertMessage.objects.using(router.db_for_write(AlertMessage))


def _claim(leave_out: Q) -> AlertMessage | None:
    """Return a message that is due, claimed for this worker; ``None``: there is none."""
    while True:
        now = timezone.now()
        message = _due(now).exclude(leave_out).select_related("alert").first()
        if message is None:
            return None
        mine = _rows().filter(pk=message.pk, attempts=message.attempts, next_attempt_at=message.next_attempt_at)
        if mine.update(attempts=message.attempts + 1, next_attempt_at=now + CLAIM):
            message.attempts, message.next_attempt_at = message.attempts + 1, now + CLAIM
            return message


def _due(now: datetime) -> QuerySet[AlertMessage]:
    """Return what to send now: nothing overtakes an earlier message of the same alert to the same receiver."""
    earlier = _rows().filter(
        alert=OuterRef("alert"),
        channel=OuterRef("channel"),
        target=OuterRef("target"),
        pk__lt=OuterRef("pk"),
        next_attempt_at__isnull=False,
    )
    return _rows().filter(~Exists(earlier), next_attempt_at__lte=now).order_by("attempts", "created_at", "pk")


def _give_up_old(report: DeliveryReport) -> None:
    """Give up what is too old, also if no attempt ever came to the point of noting how it ended."""
    now = timezone.now()
    old = _rows().filter(next_attempt_at__lte=now, created_at__lte=now - GIVE_UP_AFTER)
    for message in old.select_related("alert"):
        why = message.error or _TOO_OLD
        mine = _rows().filter(pk=message.pk, attempts=message.attempts, next_attempt_at=message.next_attempt_at)
        if mine.update(next_attempt_at=None, error=why):
            report.given_up += 1
            logger.error("alert_delivery_failed", **_fields(message), error=why, given_up=True)


def _send(message: AlertMessage, timeout_seconds: float, report: DeliveryReport) -> bool:
    send = partial(_CHANNELS[message.channel], message, timeout_seconds)
    sending = _COURIER.start((message.channel, message.target), send)
    try:
        wait([sending], timeout=timeout_seconds + _GRACE_SECONDS)
    except SoftTimeLimitExceeded:
        sending.add_done_callback(partial(_note_late, message))
        raise
    if not sending.done():
        _note_failure(message, NotDelivered(f"It takes longer than {timeout_seconds:.0f} s."), report, CLAIM)
        sending.add_done_callback(partial(_note_late, message))
        return False
    error = sending.exception()
    if error is None:
        _note_sent(message)
        report.sent += 1
        return True
    if not isinstance(error, Exception):
        raise error
    _note_failure(message, error, report)
    return False


def _note_late(message: AlertMessage, sending: Future[None]) -> None:
    """Note in the sending thread what nobody waits for any more. If it failed, the claim runs out."""
    if sending.exception() is None:
        _note_sent(message)


def _note_sent(message: AlertMessage) -> None:
    _note(message, sent_at=timezone.now(), next_attempt_at=None, error="")
    logger.info("alert_sent", **_fields(message))


def _note_failure(
    message: AlertMessage, error: Exception, report: DeliveryReport, least_pause: timedelta = FIRST_PAUSE
) -> None:
    again = timezone.now() + max(pause_after(message.attempts), least_pause)
    given_up = again > message.created_at + GIVE_UP_AFTER
    if given_up:
        report.given_up += 1
    else:
        report.failed += 1
    _note(message, next_attempt_at=None if given_up else again, error=reason(error))
    log = logger.error if given_up else logger.warning
    log("alert_delivery_failed", **_fields(message), error=reason(error), given_up=given_up)


def _note(message: AlertMessage, **values: object) -> None:
    """Write what became of a message that this worker claimed; a lost connection is made again for it."""
    write(AlertMessage, lambda: _rows().filter(pk=message.pk, attempts=message.attempts).update(**values))


def _fields(message: AlertMessage) -> dict[str, object]:
    return {
        "rule": message.alert.rule,
        "node": message.alert.node,
        "kind": message.kind,
        "channel": message.channel,
        "target": message.target,
        "attempts": message.attempts,
    }
