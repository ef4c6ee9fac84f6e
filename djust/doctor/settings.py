"""The system checks, among them those for production."""

from __future__ import annotations

from django.core.checks import ERROR, WARNING, CheckMessage, run_checks

from djust.doctor.findings import Finding, Item, ok, problem, warning

NOTHING = "The system checks have nothing to say."
_NO_HINT = "Correct the setting, or list the check in SILENCED_SYSTEM_CHECKS if it is meant."


def examine(*, production: bool) -> list[Finding]:
    """Return what ``manage.py check`` says about djust; for production also what it says about security."""
    tags = ["djust", "security"] if production else ["djust"]
    messages = run_checks(tags=tags, include_deployment_checks=production)
    # What is less than a warning is a hint at what is asked further down.
    found = [_finding(message) for message in messages if message.level >= WARNING and not message.is_silenced()]
    return found or [ok(Item.CHECKS, NOTHING)]


def _finding(message: CheckMessage) -> Finding:
    kind = problem if message.level >= ERROR else warning
    return kind(Item.CHECKS, f"{message.id}: {' '.join(str(message.msg).split())}", message.hint or _NO_HINT)
