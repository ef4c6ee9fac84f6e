"""A counter, and a list of a hundred rows of which an event changes one."""

from __future__ import annotations

from typing import Any

from djust import LiveView
from djust.decorators import event_handler

ROWS = 100


class CounterView(LiveView):
    """Counts."""

    template_name = "counter.html"

    def mount(self, request: Any, **kwargs: Any) -> None:
        self.count = 0

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"count": self.count}

    @event_handler()
    def increment(self, **kwargs: Any) -> None:
        self.count += 1


class ListView(LiveView):
    """Counts in each row."""

    template_name = "list.html"

    def mount(self, request: Any, **kwargs: Any) -> None:
        self.rows = [{"id": number, "name": f"Row number {number}", "votes": 0} for number in range(ROWS)]
        self.total = 0

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"rows": self.rows, "total": self.total}

    @event_handler()
    def vote(self, row: int = 0, **kwargs: Any) -> None:
        rows = self.rows
        rows[row] = {**rows[row], "votes": rows[row]["votes"] + 1}
        self.rows = rows
        self.total += 1
