"""What can be wrong with a view, a page or what a browser sends."""

from __future__ import annotations

from djust.exceptions import DjustError


class ViewError(DjustError):
    """A LiveView is not written as it must be."""


class InvalidEvent(DjustError):
    """An event does not fit its handler."""


class Refused(DjustError):
    """A socket sent what it must not send. ``code`` closes it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class PageGone(DjustError):
    """The page's session is over: it expired or was ended."""


class PageStale(DjustError):
    """The state of the page was made by a release whose view has other fields."""
