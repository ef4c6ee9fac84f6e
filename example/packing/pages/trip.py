"""The page on which a trip is packed, by everybody who has its link."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from djust import LiveView
from djust.decorators import event_handler
from djust.live_view import broadcast
from packing import visitors
from packing.forms import AddForm, EditForm
from packing.lookers import Lookers
from packing.models import Item, Trip, new_key
from packing.suggestions import GROUPS
from packing.topics import changes_of, lookers_of

SHOWS = {"all": "All", "left": "To pack", "packed": "Packed"}


class TripPage(LiveView):
    """One list. Its items are in the database; what this page is in the middle of is the state."""

    template_name = "packing/trip.html"

    def __init__(self, **configuration: Any) -> None:
        super().__init__(**configuration)
        #: For the moment only: neither is kept when the page comes back, on another server perhaps.
        self._lookers = Lookers()
        self._news = ""
        self._title = ""

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        """Open a list, and let it be one of the visitor's."""
        trip = get_object_or_404(Trip, slug=kwargs["slug"])
        visitors.remember(request, trip)
        self.slug = trip.slug
        self.link = request.build_absolute_uri(trip.get_absolute_url())
        #: Tells this page from the others that show the list.
        self.page_id = new_key()
        self.show, self.group = "all", ""
        #: What is about to be added, and the key that it will have: see ``Trip.add``.
        self.draft, self.draft_group = "", GROUPS[-1]
        self.new_key = new_key()
        self.problem = ""
        #: The id of what is being edited, and of what was taken off last.
        self.editing: int | None = None
        self.removed: int | None = None
        self.subscribe(changes_of(self.slug))
        self.subscribe(lookers_of(self.slug))

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        """Show the part of the list that the address names."""
        self.show = params.get("show", "") if params.get("show") in SHOWS else "all"
        self.group = params.get("group", "") if params.get("group") in GROUPS else ""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the list as it is in the database at this moment."""
        trip = Trip.objects.filter(slug=self.slug).first()
        items = list(trip.items.on_the_list()) if trip else []
        packed = sum(item.packed for item in items)
        self._title = f"{trip}: {packed} of {len(items)} packed" if trip else "This list was thrown away"
        shown = [
            item
            for item in items
            if self.show == "all" or item.pk == self.editing or item.packed == (self.show == "packed")
        ]
        groups = [(group, [item for item in shown if item.group == group]) for group in GROUPS]
        removed = Item.objects.filter(pk=self.removed, removed_at__isnull=False).first() if self.removed else None
        return super().get_context_data(
            trip=trip,
            packed=packed,
            total=len(items),
            groups=[(group, some) for group, some in groups if some and self.group in ("", group)],
            group_names=GROUPS,
            shows=SHOWS,
            others=self._lookers.others(),
            news=self._news,
            undo=removed,
            max_items=Trip.MAX_ITEMS,
            **kwargs,
        )

    @property
    def page_title(self) -> str:
        """What the browser's tab says. It follows from the list, so it is no part of the state."""
        return self._title

    # The list

    @event_handler
    def tick(self, item_id: int, packed: bool) -> None:
        """Tick a thing, or take the tick away. It says which, so two who tick it at once agree."""
        if item := self._item(item_id):
            item.packed = packed
            item.save(update_fields=["packed"])
            self._tell(f"{'packed' if packed else 'unpacked'} {item.name}")

    @event_handler
    def add(self, name: str = "", group: str = "") -> None:
        """Put one more thing on the list."""
        form = AddForm.of(AddForm.values_of({"name": name, "group": group or self.draft_group}))
        self.problem = ""
        if not form.is_valid():
            self.problem = next(iter(form.errors.values()))[0]
        elif trip := self._trip():
            if trip.is_full:
                self.problem = f"The list is full: it holds {Trip.MAX_ITEMS} things."
                return
            item = trip.add(self.new_key, form.cleaned_data["name"], form.cleaned_data["group"])
            self.draft, self.draft_group = "", item.group
            self.new_key = new_key()
            self._tell(f"added {item.name}")
        self.push_event("focus", {"id": "draft"})

    @event_handler
    def remove(self, item_id: int) -> None:
        """Take a thing off the list, and offer to put it back."""
        trip = self._trip()
        if trip and (item := trip.take_off(item_id)):
            self.removed = item.pk
            self._tell(f"took {item.name} off the list")
            self.push_event("focus", {"id": "undo"})

    @event_handler
    def undo(self) -> None:
        """Put back what was taken off last."""
        removed, self.removed = self.removed, None
        item = Item.objects.filter(trip__slug=self.slug, pk=removed).first()
        if item:
            item.removed_at = None
            item.save(update_fields=["removed_at"])
            self._tell(f"put {item.name} back")
            self.push_event("focus", {"id": f"tick-{item.pk}"})

    @event_handler
    def edit(self, item_id: int) -> None:
        """Show the form for one thing."""
        self.editing, self.problem = item_id, ""
        self.push_event("focus", {"id": f"name-{item_id}"})

    @event_handler
    def stop_editing(self) -> None:
        """Put the form away and change nothing."""
        editing, self.editing, self.problem = self.editing, None, ""
        self.push_event("focus", {"id": f"edit-{editing}"})

    @event_handler
    def save(self, **fields: Any) -> None:
        """Change the name, the number and the group of what is being edited."""
        item = self._item(self.editing)
        form = EditForm.of(EditForm.values_of(fields))
        if item is None:
            self.editing = None
        elif not form.is_valid():
            self.problem = next(iter(form.errors.values()))[0]
        else:
            before = item.name
            for name, value in form.cleaned_data.items():
                setattr(item, name, value)
            item.save(update_fields=list(form.cleaned_data))
            self._tell(f"changed {before}" if before == item.name else f"renamed {before} to {item.name}")
            self.stop_editing()

    @event_handler
    def choose_group(self, value: str) -> None:
        """Show one group, or all of them."""
        self.live_patch({"show": self.show, **({"group": value} if value else {})})

    @event_handler
    def unpack(self) -> None:
        """Take all ticks away: the way back has to be packed for too."""
        if trip := self._trip():
            trip.items.update(packed=False)
            self._tell("unpacked everything")

    @event_handler
    def throw_away(self) -> None:
        """Delete the trip, for everybody."""
        if trip := self._trip():
            trip.delete()
            messages.success(self.request, f"The list for {trip} is gone.")
            self._tell("threw the list away")
        self.live_redirect(reverse("packing:start"))

    # The others

    @event_handler
    def look(self) -> None:
        """Tell the others that somebody is looking, and ask who else is. Comes on connecting and now and then."""
        self._tell_lookers(asks=True)

    @event_handler
    def look_away(self) -> None:
        """Tell the others that nobody looks at this page any more."""
        self._tell_lookers(leaves=True)

    def handle_broadcast(self, topic: str, message: Any) -> None:
        """Hear what others changed, and who looks."""
        if message["page"] == self.page_id:
            return
        if topic == changes_of(self.slug):
            self._news = f"{message['who'] or 'Somebody'} {message['what']}."
        elif self._lookers.hear(message):
            self._tell_lookers()

    def _tell(self, what: str) -> None:
        self._news = ""
        who = visitors.name_of(self.request.user)
        broadcast(changes_of(self.slug), {"page": self.page_id, "who": who, "what": what})

    def _tell_lookers(self, **more: bool) -> None:
        who = visitors.name_of(self.request.user)
        broadcast(lookers_of(self.slug), {"page": self.page_id, "who": who, **more})

    # The database

    def _trip(self) -> Trip | None:
        return Trip.objects.filter(slug=self.slug).first()

    def _item(self, pk: int | None) -> Item | None:
        return Item.objects.on_the_list().filter(trip__slug=self.slug, pk=pk).first()
