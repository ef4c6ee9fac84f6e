"""Figures of a run as tables for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from djust.monitoring.wording import duration, share, size

EMPTY = "-"


def figures_table(figures: Mapping[str, Any]) -> SafeString:
    """Return a table with a row for each figure; tables in it for figures that have parts.

    What ``unavailable`` explains stands where the figure would be.
    """
    reasons = figures.get("unavailable")
    why: Mapping[str, Any] = reasons if isinstance(reasons, Mapping) else {}
    rows = (
        (name.replace("_", " "), _unavailable(why[name]) if name in why else _value(name, value))
        for name, value in figures.items()
        if name != "unavailable"
    )
    body = format_html_join("", '<tr><th scope="row">{}</th><td>{}</td></tr>', rows)
    return format_html('<table class="djust-figures">{}</table>', body)


def number(value: Any) -> str:
    """Return a count with its thousands apart, or a dash for none."""
    return EMPTY if value is None else number_format(value, force_grouping=True)


def size_of(count: float | None) -> str:
    """Return a number of bytes in the unit that fits, or a dash for none."""
    return EMPTY if count is None else size(count)


def percent(part: float | None) -> str:
    """Return a share of one in per cent, or a dash for none."""
    return EMPTY if part is None else share(part)


def length(seconds: float | None) -> str:
    """Return a duration, or a dash for none."""
    return EMPTY if seconds is None else duration(seconds)


def _unavailable(reason: Any) -> SafeString:
    return format_html('<span class="djust-why">unavailable: {}</span>', reason)


def _value(name: str, value: Any) -> str | SafeString:
    if isinstance(value, Mapping):
        return figures_table(value) if value else EMPTY
    if isinstance(value, list):
        parts = (figures_table(part) if isinstance(part, Mapping) else str(part) for part in value)
        return format_html_join("", "{}", ((part,) for part in parts)) or EMPTY
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: EMPTY}[value]
    if isinstance(value, (int, float)):
        if name.endswith("_bytes") and value >= 1024:
            return f"{number_format(value, force_grouping=True)} ({filesizeformat(value)})"
        return f"{value:.1%}" if name == "usage" else number_format(value, force_grouping=True)
    return str(value)
