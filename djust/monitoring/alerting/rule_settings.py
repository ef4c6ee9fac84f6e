"""``ALERT_RULES``: changes to the rules, by name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from djust.conf import SETTING
from djust.monitoring.alerting.judgement import Rule

_NAME = f"{SETTING}['ALERT_RULES']"
_THRESHOLDS = ("warning", "critical")
_TIMES = ("for_seconds", "clear_seconds")


def apply(changes: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """Return the rules with the changes made to them.

    Raises:
        ImproperlyConfigured: A rule or a key does not exist, or a value cannot be used.
    """
    for name in changes:
        if name not in rules:
            raise ImproperlyConfigured(f"{_NAME} names an unknown rule {name!r}.{_hint(name, rules, 'rules')}")
    return {name: _changed(rule, changes[name]) if name in changes else rule for name, rule in rules.items()}


def _changed(rule: Rule, change: Any) -> Rule:
    where = f"{_NAME}[{rule.name!r}]"
    if not isinstance(change, Mapping):
        raise ImproperlyConfigured(f'{where} must be a dict, such as {{"enabled": False}}, not {_type(change)}.')
    known = _keys(rule)
    for key, value in change.items():
        if key not in known:
            raise ImproperlyConfigured(f"{where} has an unknown key {key!r}.{_hint(key, known, 'keys')}")
        _check(f"{where}[{key!r}]", key, value)
    changed = replace(rule, **change)
    _check_order(where, changed)
    return changed


def _keys(rule: Rule) -> tuple[str, ...]:
    """Return what can be changed: a rule that judges facts has no thresholds."""
    return ("enabled", *_TIMES) if rule.fixed else ("enabled", *_THRESHOLDS, "recover", *_TIMES)


def _check(where: str, key: str, value: Any) -> None:
    if key == "enabled":
        if type(value) is not bool:
            raise ImproperlyConfigured(f"{where} must be True or False, not {_type(value)}.")
        return
    if value is None and key in _THRESHOLDS:
        return
    if type(value) not in (int, float) or not math.isfinite(value):
        what = "a number of seconds" if key in _TIMES else "a number"
        raise ImproperlyConfigured(f"{where} must be {what}, not {value if type(value) is float else _type(value)}.")
    if value < 0 or (value == 0 and key in _THRESHOLDS):
        least = "greater than zero" if key in _THRESHOLDS else "zero or more"
        raise ImproperlyConfigured(f"{where} must be {least}, not {value}.")


def _check_order(where: str, rule: Rule) -> None:
    if rule.fixed or not rule.enabled:
        return
    if not rule.severities:
        raise ImproperlyConfigured(f'{where} has no threshold left. To turn the rule off, set "enabled" to False.')
    if rule.warning is None or rule.critical is None or rule.beyond(rule.critical, rule.warning):
        return
    order = "below" if rule.lower_is_worse else "above"
    raise ImproperlyConfigured(f"{where}: critical ({rule.critical:g}) must be {order} warning ({rule.warning:g}).")


def _hint(name: object, known: Iterable[str], what: str) -> str:
    near = difflib.get_close_matches(str(name).lower(), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known {what}: {', '.join(known)}."


def _type(value: object) -> str:
    return type(value).__name__
