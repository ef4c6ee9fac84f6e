"""Keeps URLs that hold passwords out of Django's error pages and error mails."""

from __future__ import annotations

import re

from django.views.debug import SafeExceptionReporterFilter


class UrlHidingFilter(SafeExceptionReporterFilter):
    """For ``DEFAULT_EXCEPTION_REPORTER_FILTER``: also hides every setting whose name ends in ``URL``.

    Django hides what is called a password, a token or a key. A URL like that of Redis or of the broker has a password
    in it and is called none of these.
    """

    hidden_settings = re.compile(
        rf"{SafeExceptionReporterFilter.hidden_settings.pattern}|(REDIS|BROKER|DATABASE|BACKEND|CACHE)\w*URL",
        flags=re.IGNORECASE,
    )
