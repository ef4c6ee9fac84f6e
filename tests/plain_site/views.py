"""The live views."""

import os

from djust import LiveView
from djust.decorators import event_handler

FRUIT = [
    "apple",
    "apricot",
    "avocado",
    "banana",
    "blackberry",
    "cherry",
    "fig",
    "grape",
    "lemon",
    "lime",
    "mango",
    "pear",
]
PER_PAGE = 3


class CounterView(LiveView):
    template_name = "counter.html"

    def mount(self, request, **kwargs):
        self.count = 0

    @event_handler
    def increment(self, **kwargs):
        self.count += 1

    @event_handler()
    def add(self, amount: int = 1, **kwargs):
        self.count += amount

    @event_handler
    async def finish(self, **kwargs):
        self.live_redirect(f"/done/{self.count}/")

    def get_context_data(self, **kwargs):
        context = super().get_context_data(**kwargs)
        context["count"] = self.count
        context["pid"] = os.getpid()
        return context


class TodoView(LiveView):
    template_name = "todos.html"

    def mount(self, request, **kwargs):
        self.todos = [{"id": 1, "title": "Buy milk", "done": False}, {"id": 2, "title": "Call Ada", "done": False}]
        self.next_id = 3
        self.length = 0
        self.error = ""

    @event_handler()
    def add_todo(self, title: str = "", urgent: str = "", **kwargs):
        if not title.strip():
            self.error = "Say what is to be done."
            return
        self.error = ""
        self.length = 0
        self.todos.append({"id": self.next_id, "title": f"{title}!" if urgent else title, "done": False})
        self.next_id += 1

    @event_handler()
    def typed(self, value: str = "", **kwargs):
        self.length = len(value)

    @event_handler()
    def toggle(self, todo_id: int = 0, **kwargs):
        for todo in self.todos:
            if todo["id"] == todo_id:
                todo["done"] = not todo["done"]

    @event_handler()
    def remove(self, todo_id: int = 0, **kwargs):
        self.todos = [todo for todo in self.todos if todo["id"] != todo_id]

    def get_context_data(self, **kwargs):
        return {
            "todos": self.todos,
            "left": sum(not todo["done"] for todo in self.todos),
            "length": self.length,
            "error": self.error,
            "pid": os.getpid(),
        }


class SearchView(LiveView):
    template_name = "search.html"

    def mount(self, request, **kwargs):
        self.query = ""
        self.page = 1

    def handle_params(self, params, uri):
        self.query = params.get("q", "")
        self.page = int(params.get("page", 1))

    @event_handler()
    def search(self, value: str = "", **kwargs):
        self.live_patch(params={"q": value})

    @event_handler()
    def first_page(self, **kwargs):
        self.live_patch(params={"q": self.query}, replace=True)

    def get_context_data(self, **kwargs):
        found = [name for name in FRUIT if self.query.lower() in name]
        start = (self.page - 1) * PER_PAGE
        return {
            "query": self.query,
            "page": self.page,
            "found": found[start : start + PER_PAGE],
            "next_page": self.page + 1 if len(found) > start + PER_PAGE else None,
            "pid": os.getpid(),
        }


class DoneView(LiveView):
    template_name = "done.html"

    def mount(self, request, count=0, **kwargs):
        self.count = count

    @event_handler
    def search(self, **kwargs):
        self.live_redirect("/search/", params={"q": "a"})

    def get_context_data(self, **kwargs):
        return {"count": self.count, "pid": os.getpid()}
