"""What a page's request sets for the thread that serves it, and what is not there when a socket serves the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Any, Protocol

from django.http import HttpRequest
from django.urls import get_script_prefix, get_urlconf, set_script_prefix, set_urlconf
from django.utils import timezone, translation


class Surroundings(Protocol):
    """The language, the time zone, the path that the site is mounted at, and the URLs that a middleware chose."""

    language: str | None
    #: The name of a time zone; for one that has none the minutes that it is ahead of UTC.
    timezone: str | int | None
    prefix: str
    urlconf: str | None


def surroundings_of(request: HttpRequest) -> dict[str, Any]:
    """Return the surroundings of a request, as far as they differ from the settings."""
    zone = timezone.get_current_timezone()
    urlconf = getattr(request, "urlconf", None)
    return {
        "language": translation.get_language(),
        "timezone": None if zone == timezone.get_default_timezone() else _stored_zone(zone),
        "prefix": get_script_prefix(),
        "urlconf": urlconf if isinstance(urlconf, str) else None,
    }


def _stored_zone(zone: tzinfo) -> str | int:
    name: str | None = getattr(zone, "key", None)
    ahead = datetime.now(zone).utcoffset() or timedelta()
    # Zero would be left out of what is stored.
    return name or ahead // timedelta(minutes=1) or "UTC"


def _zone(stored: str | int) -> tzinfo | str:
    return timezone.get_fixed_timezone(stored) if isinstance(stored, int) else stored


@contextmanager
def inside(surroundings: Surroundings) -> Iterator[None]:
    """Let these surroundings be the active ones."""
    with ExitStack() as stack:
        if surroundings.language is not None:
            stack.enter_context(translation.override(surroundings.language))
        if surroundings.timezone is not None:
            stack.enter_context(timezone.override(_zone(surroundings.timezone)))
        prefix = get_script_prefix()
        if surroundings.prefix != prefix:
            stack.callback(set_script_prefix, prefix)
            set_script_prefix(surroundings.prefix)
        if surroundings.urlconf is not None:
            stack.callback(set_urlconf, get_urlconf())
            set_urlconf(surroundings.urlconf)
        yield
