"""What people may send. The LiveViews keep what was typed as it is, and let these forms judge it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict

from packing import suggestions

#: What is in the fields of a form, as a browser sends it: the state of a LiveView can keep that.
Values = dict[str, list[str]]


class LiveForm(forms.Form):
    """A form whose values are the state of a LiveView."""

    @classmethod
    def initial_values(cls, **values: str) -> Values:
        """Return what the fields hold at first, or what is given for them."""
        found = {}
        for name, field in cls.base_fields.items():
            initial = values.get(name, field.initial)
            found[name] = [] if initial is None else [str(initial)]
        return found

    @classmethod
    def values_of(cls, sent: Mapping[str, Any]) -> Values:
        """Return the values of the fields from what an event brings along. Of several, it brings a list."""
        return {
            name: [str(value) for value in (sent[name] if isinstance(sent[name], list) else [sent[name]])]
            for name in cls.base_fields
            if sent.get(name) is not None
        }

    @classmethod
    def of(cls, values: Values, shown: Collection[str] | None = None) -> LiveForm:
        """Return the form with values, and with errors only where they are to be shown; everywhere unless given."""
        form = cls(MultiValueDict(values))
        if shown is not None:
            for name in set(form.errors) - set(shown):
                del form.errors[name]
        return form


def _choices(options: Mapping[str, str]) -> list[tuple[str, str]]:
    return list(options.items())


class WhereForm(LiveForm):
    """Where a trip goes."""

    destination = forms.CharField(
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": "Lisbon", "autocomplete": "off"}),
        error_messages={"required": "Where are you going?"},
    )
    kind = forms.ChoiceField(
        label="What kind of trip?", choices=_choices(suggestions.KINDS), widget=forms.RadioSelect, initial="city"
    )


class WhenForm(LiveForm):
    """When, and for how long."""

    nights = forms.IntegerField(
        min_value=1,
        max_value=60,
        initial=4,
        error_messages={
            "invalid": "How many nights? A number, please.",
            "min_value": "A trip has one night at least.",
            "max_value": "Sixty nights at most: that is a move, not a trip.",
        },
    )
    leaving = forms.DateField(
        label="Leaving on", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class StartForm(WhereForm, WhenForm):
    """A trip in one go."""

    field_order = ["destination", "kind", "nights", "leaving"]


class LengthForm(WhenForm):
    """When, for how long, and whether clothes are washed on the way."""

    washes = forms.BooleanField(label="We wash clothes on the way", required=False)


class PlansForm(LiveForm):
    """What the trip will be like."""

    weather = forms.ChoiceField(
        label="What will the weather be like?",
        choices=_choices(suggestions.WEATHERS),
        widget=forms.RadioSelect,
        initial="mild",
    )
    extras = forms.MultipleChoiceField(
        label="What else is planned?",
        choices=_choices(suggestions.EXTRAS),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )


class AddForm(LiveForm):
    """One more thing."""

    name = forms.CharField(max_length=60, error_messages={"required": "What should go on the list?"})
    group = forms.ChoiceField(choices=[(group, group) for group in suggestions.GROUPS], initial="Other")


class EditForm(AddForm):
    """A thing that is on the list."""

    quantity = forms.IntegerField(min_value=1, max_value=99)
