"""Moments and durations for people."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

#: Seconds of a unit, its sign, and the unit below it.
_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def local(moment: datetime) -> datetime:
    """Return a moment in the time zone that Django admin shows."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def exact(moment: datetime) -> str:
    """Return a moment to the second, with its time zone."""
    shown = local(moment)
    return f"{date_format(shown, 'j M Y')}, {date_format(shown, 'H:i:s')} {shown.tzname() or ''}".rstrip()


def ago(moment: datetime, now: datetime) -> SafeString:
    """Return how far a moment is from now, with the exact one as its title."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        words = "now"
    elif seconds > 0:
        words = f"{short(timedelta(seconds=seconds))} ago"
    else:
        words = f"in {short(timedelta(seconds=-seconds))}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact(moment), words)


def short(duration: timedelta) -> str:
    """Return a duration in its largest unit, with a second one only where the first is coarse: "2 h 5 min"."""
    seconds = int(duration.total_seconds())
    for size, name, below, below_name in _UNITS:
        if seconds >= size:
            count, rest = divmod(seconds, size)
            rest //= below
            coarse = count < 10 and rest and name != "min"
            return f"{number_format(count, force_grouping=True)} {name}" + (f" {rest} {below_name}" if coarse else "")
    return f"{seconds} s"


def milliseconds(value: float | None) -> str | None:
    """Return a run time for people, or ``None`` for none."""
    if value is None:
        return None
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
