"""Django's error pages do not show the URL of the store."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter, get_default_exception_reporter_filter

CANARY = "canary-pa55word"


@pytest.fixture(autouse=True)
def _no_filter_of_other_settings() -> Iterator[None]:
    """Django looks once in a process which filter the settings name."""
    get_default_exception_reporter_filter.cache_clear()
    yield
    get_default_exception_reporter_filter.cache_clear()


@override_settings(
    DEFAULT_EXCEPTION_REPORTER_FILTER="djust.error_reports.UrlHidingFilter",
    DEBUG=True,
    DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": f"redis://:{CANARY}@localhost/0"},
    CELERY_BROKER_URL=f"redis://:{CANARY}@localhost/1",
    SOME_URL="shown",
)
def test_a_password_in_a_url_is_hidden() -> None:
    try:
        raise ValueError("something else")
    except ValueError:
        reporter = ExceptionReporter(RequestFactory().get("/"), *sys.exc_info())
    pages = reporter.get_traceback_html() + reporter.get_traceback_text()
    assert CANARY not in pages
    assert "shown" in pages
