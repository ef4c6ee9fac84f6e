"""The LiveViews."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from djust import LiveView
from djust.decorators import event_handler
from djust.live_view import broadcast


class Home(LiveView):
    """A counter, with links to everything else."""

    template_name = "home.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.count = 0

    @event_handler
    def increment(self, by: int = 1) -> None:
        self.count += by

    @event_handler
    def fail(self) -> None:
        raise RuntimeError("It was to be expected.")

    @event_handler
    def go(self, number: int = 1) -> None:
        messages.success(self.request, f"You were sent to item {number}.")
        self.live_redirect(f"/items/{number}/")


class Fields(LiveView):
    """Fields of every kind, none of them bound to anything unless it says so."""

    template_name = "fields.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.ticks = 0
        self.served = "served"
        self.color = "green"
        self.bound = ""
        self.shouted = ""
        self.agreed = False
        self.submitted: list[str] = []
        self.restored = ""
        self.page_title = "Fields"

    @event_handler
    def tick(self) -> None:
        self.ticks += 1

    @event_handler
    def serve(self, value: str = "", color: str = "") -> None:
        self.served = value or self.served
        self.color = color or self.color

    @event_handler
    def shout(self, value: str = "") -> None:
        self.shouted = value.upper()

    @event_handler
    async def agree(self, value: bool = False) -> None:
        await asyncio.sleep(0)
        self.agreed = value

    @event_handler
    def submit(self, **fields: Any) -> None:
        if fields.get("title") == "wrong":
            raise ValueError("This title is wrong.")
        self.submitted.append(json.dumps(fields, sort_keys=True))

    @event_handler
    def restore(self, **fields: Any) -> None:
        self.restored = json.dumps(fields, sort_keys=True)


class Directives(LiveView):
    """Writes down which handler was called with what."""

    template_name = "directives.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.calls: list[str] = []
        self.query = ""
        self.lazy = ""
        self.slow_calls = 0

    def _note(self, handler: str, *args: Any, **params: Any) -> None:
        self.calls.append(json.dumps([handler, list(args), params], sort_keys=True))

    @event_handler
    def note(self, *args: Any, **params: Any) -> None:
        self._note("note", *args, **params)

    @event_handler
    def typed_params(self, number: int, flag: bool, code: str, price: float) -> None:
        self._note("typed_params", number, flag, code, price)

    @event_handler
    async def slow(self, seconds: float = 0.5) -> None:
        await asyncio.sleep(seconds)
        self.slow_calls += 1

    @event_handler
    def announce(self) -> None:
        self.push_event("announced", {"calls": len(self.calls)})

    @event_handler
    def clear(self) -> None:
        self.calls = []


class Tasks(LiveView):
    """A list that is added to, sorted and emptied."""

    template_name = "tasks.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.tasks = [{"id": number, "title": f"Task {number}", "done": False} for number in (1, 2, 3)]
        self.next_id = 4
        self.notice = ""

    @event_handler
    def add(self, title: str = "") -> None:
        self.tasks = [{"id": self.next_id, "title": title, "done": False}, *self.tasks]
        self.next_id += 1

    @event_handler
    def toggle(self, task: int, value: bool = False) -> None:
        self.tasks = [{**one, "done": value} if one["id"] == task else one for one in self.tasks]

    @event_handler
    def remove(self, task: int) -> None:
        self.tasks = [one for one in self.tasks if one["id"] != task]

    @event_handler
    def reverse(self) -> None:
        self.tasks = self.tasks[::-1]

    @event_handler
    def notify(self) -> None:
        self.notice = "There is news."


class Search(LiveView):
    """Follows its address."""

    template_name = "search.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.mounted = 1
        self.query, self.page = "", 1

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        self.query = params.get("q", "")
        self.page = int(params.get("page", "1"))
        self.page_title = f"Search, page {self.page}"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"rows": [f"{self.query} {self.page}-{row}" for row in range(60)]}

    @event_handler
    def search(self, value: str = "") -> None:
        self.live_patch({"q": value})

    @event_handler
    def replace(self, value: str = "") -> None:
        self.live_patch({"q": value}, replace=True)


class Item(LiveView):
    """One of many pages of the same view."""

    template_name = "item.html"

    def mount(self, request: HttpRequest, number: int, **kwargs: Any) -> None:
        self.number = number
        self.likes = 0

    @event_handler
    def like(self) -> None:
        self.likes += 1


class Chart(LiveView):
    """Its page has a script of its own."""

    template_name = "chart.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.points = 0

    @event_handler
    def add(self) -> None:
        self.points += 1


class Room(LiveView):
    """What one visitor says, all of them see."""

    template_name = "room.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.lines: list[str] = []
        self.subscribe("room")

    @event_handler
    def say(self, text: str = "") -> None:
        broadcast("room", text)

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.lines.append(message)
