"""What a visitor sees when the state backend is in trouble: a page that says so, never a list that looks empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from djust.exceptions import BackendError, BackendFull

View = Callable[[HttpRequest], Awaitable[HttpResponse]]


def explains_trouble(view: View) -> View:
    """Answer 503 where the state backend could not do its work."""

    @wraps(view)
    async def explaining(request: HttpRequest) -> HttpResponse:
        try:
            return await view(request)
        except BackendError as error:
            full = isinstance(error, BackendFull)
            response = render(request, "packing/trouble.html", {"full": full}, status=503)
            response["Retry-After"] = "5"
            return response

    return explaining
