"""Figures and moments as people read them."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

_BYTE_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def size(value: float) -> str:
    """Return bytes in units of 1,024, as Redis counts them: ``1.9 kB``, ``310 MB``."""
    unit = 0
    while abs(value) >= 1000 and unit < len(_BYTE_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_BYTE_UNITS[unit]}" if unit and abs(value) < 10 else f"{value:.0f} {_BYTE_UNITS[unit]}"


def count(value: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,.0f}"


def local(moment: datetime) -> datetime:
    """Return a moment in the time zone that people read. Without ``USE_TZ`` it is in that of the project already."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def figure(value: float) -> str:
    """Return any figure: whole numbers and large ones with their thousands apart, others with four digits."""
    return count(value) if value == int(value) or abs(value) >= 1000 else f"{value:.4g}"


def with_unit(value: float, unit: str) -> str:
    """Return a figure with its unit, which is in the plural: ``1 session in a check``, ``0.93``."""
    noun, space, rest = unit.partition(" ")
    return f"{figure(value)} {noun.removesuffix('s') if value == 1 else noun}{space}{rest}".strip()


def counted(value: float, one: str, many: str | None = None) -> str:
    """Return a number with its noun: ``1 session``, ``1,200 sessions``."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Return seconds in the two largest units that say something: ``1 h 20 min``."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 10:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    if not days:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{days} d {hours} h" if hours else f"{days} d"


def share(value: float) -> str:
    """Return a share of one in per cent, rounded so that it never says more than it is."""
    return f"{int(value * 1000 + 1e-6) / 10:g} %"


def maxmemory(value: float) -> str:
    """Return bytes as ``CONFIG SET maxmemory`` takes them: ``384mb``."""
    megabytes = round(value / 1024**2)
    return f"{megabytes // 1024}gb" if megabytes >= 1024 and megabytes % 1024 == 0 else f"{megabytes}mb"
