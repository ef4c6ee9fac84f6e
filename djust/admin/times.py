"""Moments and durations for people."""

from __future__ import annotations

import math
from datetime import datetime

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from djust.monitoring.wording import duration, local


def exact(moment: datetime) -> str:
    """Return a moment to the second, with its time zone."""
    shown = local(moment)
    return f"{date_format(shown, 'j M Y')}, {date_format(shown, 'H:i:s')} {shown.tzname() or ''}".rstrip()


def exact_or_dash(moment: datetime | None) -> str:
    """Return a moment to the second, or a dash for none."""
    return "-" if moment is None else exact(moment)


def ago(moment: datetime, now: datetime) -> SafeString:
    """Return how far a moment is from now, to the second or, from a minute on, to the minute; the title is exact."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) >= 60:
        seconds -= math.fmod(seconds, 60)
    if abs(seconds) < 0.5:
        words = "now"
    elif seconds > 0:
        words = f"{duration(seconds)} ago"
    else:
        words = f"in {duration(-seconds)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact(moment), words)


def milliseconds(value: float | None) -> str | None:
    """Return a run time for people, or ``None`` for none."""
    if value is None:
        return None
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
