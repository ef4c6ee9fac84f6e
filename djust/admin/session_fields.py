"""What a state is made of: names and types of its fields. Never what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

#: How deep to look: the fields of the state, and two levels inside.
LEVELS = 3

#: A mapping with more entries is a collection by its keys, which are data, rather than a record with fields.
MOST_FIELDS = 50

#: What looks like the name of a field. Other keys of a mapping, such as an e-mail address, are data.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One row: a field, or how many others there are."""

    level: int
    name: str
    kind: str


def describe(state: Mapping[Any, Any], level: int = 0) -> Iterator[Field]:
    """Yield the fields of a state in their order, each followed by those inside it."""
    hidden = 0
    for name, value in state.items():
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            hidden += 1
            continue
        yield Field(level, name, _kind(value))
        if isinstance(value, dict) and level + 1 < LEVELS and len(value) <= MOST_FIELDS:
            yield from describe(value, level + 1)
    if hidden:
        text = ngettext("%(count)d more, whose key may be data", "%(count)d more, whose keys may be data", hidden) % {
            "count": hidden
        }
        yield Field(level, "", text)


def _kind(value: Any) -> str:
    name = type(value).__name__
    if isinstance(value, dict):
        return _("%(type)s, entries: %(count)d") % {"type": name, "count": len(value)}
    if isinstance(value, (list, tuple, set, frozenset)):
        if not value:
            return _("%(type)s, empty") % {"type": name}
        inside = ", ".join(sorted({type(item).__name__ for item in value}))
        return _("%(type)s of %(inside)s, entries: %(count)d") % {"type": name, "inside": inside, "count": len(value)}
    return name
