"""The LiveViews. What a handler does besides its state is counted in Redis, where a test can see it."""

from __future__ import annotations

import asyncio
import os
import time
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest, JsonResponse

from djust import LiveView
from djust.decorators import event_handler
from djust.live_view.hub import Hub, hub_of_this_loop

RELEASE = int(os.environ.get("RELEASE", "1"))


@cache
def side_effects() -> redis.Redis:
    """Return a connection for what handlers do besides their state."""
    return redis.Redis.from_url(settings.REDIS_URL)


class Counter(LiveView):
    """Counts, and says which process does."""

    template_name = "counter.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0

    @event_handler
    def increment(self) -> None:
        self.count += 1

    @event_handler
    def increment_and_tell(self, name: str) -> None:
        side_effects().incr(name)
        self.count += 1
        self.push_event("told", {"name": name})

    @event_handler
    async def increment_slowly(self, name: str, seconds: float) -> None:
        side_effects().incr(name)
        await asyncio.sleep(seconds)
        self.count += 1

    @event_handler
    def increment_slowly_in_a_thread(self, name: str, seconds: float) -> None:
        side_effects().incr(name)
        time.sleep(seconds)
        self.count += 1

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"pid": os.getpid()}


class Form(LiveView):
    """Fields whose values only the browser has, beside a number that changes."""

    template_name = "form.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0
        self.sent: list[str] = []

    @event_handler
    def increment(self) -> None:
        self.count += 1

    @event_handler
    def send(self, **fields: str) -> None:
        self.sent.append(", ".join(f"{name}={value}" for name, value in sorted(fields.items()) if name[0] != "_"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"pid": os.getpid(), "release": RELEASE}


if RELEASE > 1:

    class LargerForm(Form):
        """Keeps one field more in the second release."""

        def mount(self, request: HttpRequest, **kwargs: Any) -> None:
            super().mount(request, **kwargs)
            self.draft = ""

    LargerForm.__name__ = LargerForm.__qualname__ = "Form"
    Form = LargerForm  # type: ignore[misc,assignment]


class Same(Counter):
    """Has the same fields in each release, and does more with them in the second."""

    if RELEASE > 1:

        @event_handler
        def increment(self) -> None:
            self.count += 10


if RELEASE > 1:

    class Other(Counter):
        """Has one field more in the second release."""

        def mount(self, request: HttpRequest, **kwargs: Any) -> None:
            super().mount(request, **kwargs)
            self.step = 1

else:

    class Other(Counter):  # type: ignore[no-redef]
        """Has one field less in the first release."""


class Versioned(Counter):
    """Keeps the names of its fields, but they mean something else in the second release."""

    state_version = RELEASE


async def sockets(request: HttpRequest) -> JsonResponse:
    """Say who serves, and how many sockets this process looks after."""
    hub: Hub = hub_of_this_loop()
    return JsonResponse({"pid": os.getpid(), "sockets": len(hub.sockets), "pages": len(hub._by_key)})
