"""The addresses of the project, as far as its URLs can be read."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver


def patterns() -> list[URLPattern]:
    """Return every address of the project; none if its URLs cannot be read, which Django's own checks say."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        return list(_flatten(get_resolver()))
    except (ImportError, ImproperlyConfigured):
        return []


def _flatten(resolver: URLResolver) -> Iterator[URLPattern]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _flatten(pattern)
        else:
            yield pattern
