"""The stretches of time that the charts can show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models.functions import TruncHour, TruncMinute
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from djust.monitoring.wording import local

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time that ends now, and the intervals that it is cut into.

    Intervals are whole multiples of their length since 1970, so that their figures do not change with every look.
    """

    name: str
    label: str | Promise
    span: timedelta
    #: The length of an interval, and how to say it.
    step: timedelta
    step_label: str | Promise
    #: What the database cuts times to. Several of these make one interval.
    truncate: type[TruncMinute | TruncHour]
    #: Of the marks below a chart: distance in hours, or in days from 24 on; 0: the first of each month.
    mark_hours: float
    mark_format: str
    #: How to name an interval.
    format: str

    def start(self, now: datetime) -> datetime:
        """Return the beginning of the first interval."""
        return self.interval(now - self.span)

    def end(self, now: datetime) -> datetime:
        """Return the end of the last interval."""
        return self.interval(now) + self.step

    def interval(self, moment: datetime) -> datetime:
        """Return the beginning of the interval that a moment lies in."""
        # Without USE_TZ all moments are naive.
        epoch = _EPOCH if timezone.is_aware(moment) else _EPOCH.replace(tzinfo=None)
        return epoch + (moment - epoch) // self.step * self.step

    def name_of(self, interval: datetime) -> str:
        """Return what to call an interval: its beginning in the time zone of the admin, or its day in UTC."""
        return date_format(interval if self.step >= timedelta(days=1) else local(interval), self.format)

    def marks(self, now: datetime) -> list[tuple[datetime, str]]:
        """Return the times to write below a chart, with their text."""
        first, last = local(self.start(now)), local(self.end(now))
        return [(mark, date_format(mark, self.mark_format)) for mark in self._marks(first) if first <= mark <= last]

    def _marks(self, first: datetime) -> Iterator[datetime]:
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        if not self.mark_hours:
            for month in range(14):
                years, months = divmod(midnight.month - 1 + month, 12)
                yield midnight.replace(year=midnight.year + years, month=months + 1, day=1)
        else:
            # Adding to a local time keeps the hour when clocks change.
            distance = timedelta(hours=self.mark_hours)
            for count in range(int((self.span + timedelta(days=2)) / distance) + 1):
                yield midnight + count * distance


RANGES: dict[str, Range] = {
    each.name: each
    for each in (
        Range(
            "1h",
            _("1 hour"),
            timedelta(hours=1),
            timedelta(minutes=1),
            _("minute"),
            TruncMinute,
            1 / 6,
            "H:i",
            "H:i",
        ),
        Range(
            "24h",
            _("24 hours"),
            timedelta(hours=24),
            timedelta(minutes=5),
            _("5 minutes"),
            TruncMinute,
            3,
            "H:i",
            "j M H:i",
        ),
        Range(
            "7d",
            _("7 days"),
            timedelta(days=7),
            timedelta(hours=1),
            _("hour"),
            TruncHour,
            24,
            "D j",
            "j M H:i",
        ),
        Range(
            "30d",
            _("30 days"),
            timedelta(days=30),
            timedelta(hours=3),
            _("3 hours"),
            TruncHour,
            24 * 5,
            "j M",
            "j M H:i",
        ),
        Range(
            "1y",
            _("1 year"),
            timedelta(days=365),
            timedelta(days=1),
            _("day (UTC)"),
            TruncHour,
            0,
            "M",
            "j M Y",
        ),
    )
}
#: With samples for less than this, a day would be an empty chart with a line at its edge.
YOUNG = timedelta(hours=3)


def default_range(first: datetime | None, now: datetime) -> Range:
    """Return what to show to somebody who did not choose.

    Args:
        first: When the oldest sample was taken; ``None``: there is none.
        now: The current time.
    """
    return RANGES["1h" if first is None or now - first < YOUNG else "24h"]
