"""Findings as people and programs read them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from djust.doctor.findings import Finding, Status
from djust.monitoring.wording import counted

#: Columns for the status and for the name of an item.
_STATUS, _LABEL = 12, 15
_NARROWEST = 30

Paint = Callable[[str], str]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings have each status."""
    found = Counter(finding.status for finding in findings)
    return {status.value: found[status] for status in Status}


def as_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a report as JSON-like values."""
    found = counts(findings)
    return {
        "outcome": "problems" if found[Status.PROBLEM] else "done",
        "counts": found,
        "findings": [finding.as_dict() for finding in findings],
    }


def as_lines(findings: Sequence[Finding], *, width: int, paint: Mapping[Status, Paint]) -> list[str]:
    """Return a report for a terminal: what to do stands beneath what was seen.

    Args:
        findings: What was found, those of a group together.
        width: Columns of the terminal.
        paint: What colours the word for a status; those left out stay as they are.
    """
    lines = []
    for group, members in groupby(findings, key=lambda finding: finding.item.group):
        lines.append(group.capitalize())
        for finding in _merged(members):
            lines += _lines(finding, width, paint.get(finding.status, str))
        lines.append("")
    return [*lines, _summary(findings)]


def _merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Put those that were skipped for one reason together."""
    for (status, text), members in groupby(findings, key=lambda finding: (finding.status, finding.text)):
        group = list(members)
        if status is Status.SKIPPED and len(group) > 1:
            others = ", ".join(finding.item.label for finding in group[1:])
            yield Finding(group[0].item, status, f"{text} The same holds for {others}.")
        else:
            yield from group


def _lines(finding: Finding, width: int, paint: Paint) -> list[str]:
    indent = " " * (2 + _STATUS + _LABEL)
    room = max(_NARROWEST, width - len(indent))
    text = textwrap.wrap(finding.text, room)
    text += textwrap.wrap(finding.advice, room, initial_indent="-> ", subsequent_indent="   ")
    head = f"  {paint(finding.status.value)}{' ' * (_STATUS - len(finding.status))}{finding.item.label:<{_LABEL}}"
    return [f"{head}{text[0]}", *(f"{indent}{line}" for line in text[1:])]


def _summary(findings: Sequence[Finding]) -> str:
    found = counts(findings)
    parts = [
        counted(found["problem"], "problem"),
        counted(found["warning"], "warning"),
        f"{found['ok']} ok",
        f"{found['unavailable']} unavailable",
        f"{found['skipped']} skipped",
    ]
    return ", ".join(parts)
