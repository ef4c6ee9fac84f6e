"""The planner: four steps of questions. The answers live in the state of this page alone until the last one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest

from djust import LiveView
from djust.decorators import event_handler
from packing.forms import LengthForm, LiveForm, PlansForm, WhereForm
from packing.models import Trip, new_key
from packing.suggestions import GROUPS, Suggestion, suggest

FORMS: dict[str, type[LiveForm]] = {"where": WhereForm, "when": LengthForm, "what": PlansForm}
#: What the steps are called in the row of all of them, and as a heading.
STEPS = {
    "where": ("Where", "Where are you going?"),
    "when": ("How long", "How long?"),
    "what": ("Plans", "What will it be like?"),
    "list": ("Your list", "Your list"),
}
NAMES = list(STEPS)


class PlanPage(LiveView):
    """A trip, step by step. The address says which step, so that back and forward lead through them."""

    template_name = "packing/plan.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        """Begin with the first question; a destination may come along from the start page."""
        self.page_title = "Plan a trip"
        self.step = NAMES[0]
        #: What is in the form of each step.
        self.answers = {name: form.initial_values() for name, form in FORMS.items()}
        if destination := request.GET.get("destination", "")[:60]:
            self.answers["where"]["destination"] = [destination]
        #: The steps that are answered, the fields that the visitor has been to, and what they do not want.
        self.answered: list[str] = []
        self.visited: list[str] = []
        self.left_out: list[str] = []
        #: Drawn before the trip exists, see ``Trip.plan``.
        self.new_slug = new_key()

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        """Show the step of the address, or the first that is not answered yet if it comes before that."""
        wanted = params.get("step", NAMES[0])
        first_open = next((name for name in NAMES if name not in self.answered), NAMES[-1])
        reachable = NAMES[: NAMES.index(first_open) + 1]
        if wanted not in reachable:
            self.live_patch({"step": first_open}, replace=True)
            return
        self.step = wanted

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the step asks or, in the last one, what it all comes to."""
        number = NAMES.index(self.step)
        context = {
            "steps": [
                {"name": name, "title": short, "done": name in self.answered, "open": self._is_open(name)}
                for name, (short, _) in STEPS.items()
            ],
            "number": number + 1,
            "title": STEPS[self.step][1],
            "before": NAMES[number - 1] if number else "",
        }
        if self.step in FORMS:
            context["form"] = FORMS[self.step].of(self.answers[self.step], self.visited)
        else:
            wanted = self._suggestions()
            context["data"] = self._data()
            context["groups"] = [(group, [one for one in wanted if one.group == group]) for group in GROUPS]
            context["count"] = sum(suggestion.name not in self.left_out for suggestion in wanted)
        return super().get_context_data(**context, **kwargs)

    @event_handler
    def check(self, step: str, **fields: Any) -> None:
        """Keep what is typed, and judge the fields that the visitor has been to."""
        if not self._asks(step):
            return
        self._keep(fields)
        if (name := fields.get("_target")) and name not in self.visited:
            self.visited.append(name)

    @event_handler
    def next_step(self, step: str, **fields: Any) -> None:
        """Go on if the answers will do. A second click may come from a step that is over."""
        if not self._asks(step):
            return
        form = self._keep(fields)
        if not form.is_valid():
            self.visited = list(form.fields)
            self.push_event("focus", {"id": f"id_{next(iter(form.errors))}"})
            return
        self.answered = [name for name in FORMS if name in {*self.answered, self.step}]
        self.visited = []
        self.live_patch({"step": NAMES[NAMES.index(self.step) + 1]})
        self.push_event("focus", {"id": "step"})

    @event_handler
    def choose(self, name: str, wanted: bool) -> None:
        """Take a suggestion, or leave it out."""
        self.left_out = [one for one in self.left_out if one != name]
        if not wanted:
            self.left_out.append(name)

    @event_handler
    def finish(self) -> None:
        """Make the trip, and go there."""
        if not all(name in self.answered for name in FORMS):
            return
        data = self._data()
        fields = {name: data[name] for name in ("destination", "kind", "nights", "leaving")}
        wanted = [suggestion for suggestion in self._suggestions() if suggestion.name not in self.left_out]
        trip = Trip.plan(self.new_slug, wanted, **fields)
        messages.success(self.request, f"All planned: this is your list for {trip}.")
        self.live_redirect(trip.get_absolute_url(), replace=True)

    def _asks(self, step: str) -> bool:
        """Whether this is the step that is shown, and has a form."""
        return step == self.step and step in FORMS

    def _is_open(self, name: str) -> bool:
        """Whether one can go to a step."""
        return all(earlier in self.answered for earlier in NAMES[: NAMES.index(name)])

    def _keep(self, fields: dict[str, Any]) -> LiveForm:
        """Keep what is in the form of the step; the step counts as answered no longer if it will not do."""
        self.answers[self.step] = FORMS[self.step].values_of(fields)
        form = FORMS[self.step].of(self.answers[self.step])
        if not form.is_valid():
            self.answered = [name for name in self.answered if name != self.step]
        return form

    def _data(self) -> dict[str, Any]:
        """Return all answers, once all steps are answered."""
        data: dict[str, Any] = {}
        for name, form_class in FORMS.items():
            form = form_class.of(self.answers[name])
            form.is_valid()
            data |= form.cleaned_data
        return data

    def _suggestions(self) -> list[Suggestion]:
        data = self._data()
        return suggest(
            data["kind"], data["nights"], weather=data["weather"], extras=data["extras"], washes=data["washes"]
        )
