"""A view's template as HTML: the whole page for a browser that asks, its live part for one that is connected."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.template.loader import get_template

from djust.live_view import integers
from djust.live_view.attributes import public_attributes
from djust.live_view.errors import ViewError
from djust.live_view.runtime import path_of

#: The name in the context that says that only the live part of the page will be sent.
ON_SOCKET = "djust_on_socket"


class Root(NamedTuple):
    """Where the inner HTML of the element with ``dj-root`` starts and ends in a page."""

    start: int
    end: int


def render(view: Any, request: HttpRequest, **extra: Any) -> str:
    """Return the page of ``view``: its template, with its public attributes and what ``get_context_data`` returns.

    Raises:
        ViewError: It has no template, or its context is no dict.
    """
    if not view.template_name:
        raise ViewError(f"{type(view).__name__} has no template_name: name the template that shows it.")
    context = public_attributes(view)
    more = view.get_context_data()
    if not isinstance(more, dict):
        raise ViewError(f"{type(view).__name__}.get_context_data() returned {type(more).__name__}: return a dict.")
    context.update(more)
    context.update(extra)
    context.setdefault("view", view)
    context["dj_view_id"] = path_of(type(view))
    template = get_template(view.template_name)
    integers.quicken(template)
    return str(template.render(context, request))


def inner_html(view: Any, page: str) -> str:
    """Return the inner HTML of the live part of a rendered page.

    Raises:
        ViewError: The page has no such part.
    """
    root = find_root(page, view)
    return page[root.start : root.end]


def find_root(page: str, view: Any) -> Root:
    """Return where the live part of a page lies.

    Raises:
        ViewError: No element has ``dj-root``, or it is not closed.
    """
    opened = _opening_tag(page)
    if opened is None:
        raise ViewError(
            f"The template {view.template_name} has no element with dj-root: "
            "put what changes into <div dj-root>...</div>."
        )
    tag, start = opened
    end = _closing_tag(page, tag, start)
    if end is None:
        raise ViewError(f"The template {view.template_name} does not close its element with dj-root: add </{tag}>.")
    return Root(start, end)


#: Comments, and elements that hold text: what looks like a tag in them is none.
_TEXT = r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title)(?=[\s/>]).*?(?:</\1\s*>|\Z)"
_FLAGS = re.DOTALL | re.IGNORECASE | re.ASCII
#: A tag with its name and all its attributes: quoted values may hold a ">".
_OPENING = re.compile(
    rf"""{_TEXT}|<([a-z][\w-]*)(?=[\s/>])((?:[^>"']++|"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))*+)>""", _FLAGS
)
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_ROOT = re.compile(r"""[\s"']dj-root(?=[\s=/]|\Z)""", _FLAGS)


def _opening_tag(page: str) -> tuple[str, int] | None:
    """Return the name of the element with ``dj-root`` and where its inner HTML starts."""
    for match in _OPENING.finditer(page):
        attributes = match.group(3)
        # A value may hold these letters too, also one that a visitor typed.
        if attributes and "dj-root" in attributes.lower() and _ROOT.search(_QUOTED.sub('""', attributes)):
            return match.group(2), match.end()
    return None


_MODEL = re.compile(r"""[\s"']dj-model(?:\.[\w.-]+)?\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", _FLAGS)


def bound_fields(html: str) -> set[str]:
    """Return the fields that elements bind with ``dj-model``. What looks like an element in a text binds nothing."""
    found = set()
    for match in _OPENING.finditer(html):
        attributes = match.group(3)
        if attributes and "dj-model" in attributes.lower():
            # Quoted values are masked by as many letters: what is found stands at the same place in the original.
            masked = _QUOTED.sub(lambda quoted: f'"{"_" * (len(quoted[0]) - 2)}"', attributes)
            for bound in _MODEL.finditer(masked):
                found.add(unescape(attributes[bound.start(1) : bound.end(1)].strip("\"'")))
    return found


@lru_cache(maxsize=64)
def _tags(tag: str) -> re.Pattern[str]:
    """Match the tags of one element, and what may hold text that looks like one."""
    return re.compile(rf"{_TEXT}|<(/?){re.escape(tag)}(?=[\s/>])", _FLAGS)


def _closing_tag(page: str, tag: str, start: int) -> int | None:
    """Return where the tag starts that closes the element whose inner HTML starts at ``start``."""
    depth = 1
    for match in _tags(tag).finditer(page, start):
        slash = match.group(2)
        if slash is None:
            continue
        depth += -1 if slash else 1
        if depth == 0:
            return match.start()
    return None
