"""What a visitor may send."""

from __future__ import annotations

from django import forms

from packing import lists


class StartForm(forms.Form):
    """A trip."""

    destination = forms.CharField(
        max_length=60, widget=forms.TextInput(attrs={"placeholder": "Lisbon", "autocomplete": "off"})
    )
    kind = forms.ChoiceField(choices=list(lists.KINDS.items()), widget=forms.RadioSelect, initial="city")
    nights = forms.IntegerField(min_value=1, max_value=60, initial=4)
    leaving = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))


class ChangeForm(forms.Form):
    """A change of the list that had this version on the visitor's screen."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class AddForm(ChangeForm):
    """One more thing."""

    name = forms.CharField(max_length=60)
    group = forms.ChoiceField(choices=[(group, group) for group in lists.GROUPS], initial="Other")


class ItemForm(ChangeForm):
    """Something about one thing."""

    item = forms.CharField(max_length=16)


class PackForm(ItemForm):
    """Tick it, or take the tick away."""

    packed = forms.BooleanField(required=False)
