"""What somebody sees of a page."""

from __future__ import annotations

import html
import re
from typing import NamedTuple

_ITEM = re.compile(r'id="tick-(\d+)" class="tick( packed)?".*?<span class="name">(.*?)</span>', re.DOTALL)
_DRAFT = re.compile(r'<input id="draft"[^>]* value="([^"]*)"')


class Sight(NamedTuple):
    """A page, as far as it matters to a visitor."""

    #: By id, what is on the list, and whether it is packed.
    items: dict[str, tuple[str, bool]]
    #: What is typed and not added yet.
    draft: str
    #: Whether somebody else looks at the list.
    has_company: bool
    #: All of a page that is no list.
    text: str

    @property
    def kept(self) -> tuple[object, ...]:
        """What must be the same for somebody who comes back: all but the company."""
        return self.items, self.draft, self.text


def sight_of(page: str) -> Sight:
    """Return what is to be seen in the live part of a page."""
    items = {pk: (html.unescape(name), bool(packed)) for pk, packed, name in _ITEM.findall(page)}
    draft = _DRAFT.search(page)
    return Sight(
        items=items,
        draft=html.unescape(draft.group(1)) if draft else "",
        has_company="looking too" in page,
        text="" if draft else page,
    )
