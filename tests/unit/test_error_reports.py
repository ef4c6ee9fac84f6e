"""Django's error pages do not show the URL of the store."""

from __future__ import annotations

import sys

from django.test import RequestFactory, override_settings
from django.views.debug import ExceptionReporter

CANARY = "canary-pa55word"


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
