"""The start page: a new trip in one go, and the visitor's trips."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from djust import LiveView
from djust.decorators import event_handler
from packing import visitors
from packing.forms import StartForm
from packing.models import Trip, new_key
from packing.suggestions import suggest
from packing.topics import changes_of


class StartPage(LiveView):
    """Where everybody begins."""

    template_name = "packing/start.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        """Begin with an empty form."""
        self.page_title = "Packing list"
        #: What is in the form, and which of its fields the visitor has been to.
        self.values = StartForm.initial_values()
        self.visited: list[str] = []
        #: Drawn before the trip exists, see ``Trip.plan``.
        self.new_slug = new_key()
        #: What the visitor looks for, and the trips that are in their Django session.
        self.query = ""
        self.slugs = visitors.slugs_of(request)
        for trip in self._trips():
            # How far it is packed shows here too, while others are at it.
            self.subscribe(changes_of(trip.slug))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the form as it was left, and the trips that fit what is looked for."""
        trips = list(self._trips())
        query = self.query.strip().lower()
        return super().get_context_data(
            form=StartForm.of(self.values, self.visited),
            destination="".join(self.values.get("destination", [])),
            trips=[trip for trip in trips if query in trip.destination.lower()],
            has_trips=bool(trips),
            **kwargs,
        )

    @event_handler
    def check(self, **fields: Any) -> None:
        """Keep what is typed, and judge the fields that the visitor has been to."""
        self.values = StartForm.values_of(fields)
        if (name := fields.get("_target")) and name not in self.visited:
            self.visited.append(name)

    @event_handler
    def start(self, **fields: Any) -> None:
        """Make a trip with a list of what people usually take along, and go there."""
        self.values = StartForm.values_of(fields)
        form = StartForm.of(self.values)
        if not form.is_valid():
            self.visited = list(form.fields)
            self.push_event("focus", {"id": f"id_{next(iter(form.errors))}"})
            return
        data = form.cleaned_data
        trip = Trip.plan(self.new_slug, suggest(data["kind"], data["nights"]), **data)
        messages.success(self.request, f"Your list for {trip} is ready. Tick what is in the bag.")
        self.live_redirect(trip.get_absolute_url())

    def _trips(self) -> Any:
        return visitors.trips_of(self.request.user, self.slugs)
