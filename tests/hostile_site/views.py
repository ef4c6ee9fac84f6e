"""LiveViews with more than a browser may reach."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model, login, logout
from django.http import HttpRequest, HttpResponse

from djust import LiveView, event_handler


class Counter(LiveView):
    """Counts, and keeps fields that the template binds and others that it does not."""

    template_name = "page.html"
    # A class attribute that is no state.
    secret = "secret"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0
        self.text = ""
        self.query = ""
        self.agreed = False
        self.tags: list[str] = []
        self.unbound = "unbound"
        self.calls = 0
        self._private = "private"

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        self.page = params.get("page", "1")[:100]

    @event_handler
    def increment(self, by: int = 1) -> None:
        self.count = (self.count + by) % 1_000_000_007

    @event_handler
    def put(self, value: str) -> None:
        self.text = value[:1_000]

    @event_handler
    def typed(self, a: int, b: float, c: Decimal, d: list[int], e: bool | None = None) -> None:
        self.calls += 1

    @event_handler
    def anything(self, *args: Any, **params: Any) -> None:
        self.calls += 1

    @event_handler
    async def slowly(self, seconds: float = 0.1) -> None:
        await asyncio.sleep(max(0.0, min(seconds, 2.0)))
        self.calls += 1

    @event_handler
    def _hidden(self) -> None:
        self.count = -1

    def undecorated(self) -> None:
        self.count = -1

    @property
    def attribute(self) -> int:
        self.count = -1
        return 1


class Item(Counter):
    """Another view, with an address of its own."""

    def mount(self, request: HttpRequest, number: int = 0, **kwargs: Any) -> None:
        super().mount(request)
        self.count = number

    def put(self, value: str) -> None:
        """Overridden without the decorator: no handler."""
        self.count = -1


def log_in(request: HttpRequest, name: str) -> HttpResponse:
    """Log somebody in who need not be known."""
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user)
    return HttpResponse(str(user.pk))


def log_out(request: HttpRequest) -> HttpResponse:
    """Log out."""
    logout(request)
    return HttpResponse("Bye")
