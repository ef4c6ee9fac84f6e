"""Trips in Django admin."""

from django.contrib import admin

from packing.models import Item, Trip


class ItemInline(admin.TabularInline):
    """What is on the list of a trip."""

    model = Item
    extra = 0


@admin.register(Trip)
class TripAdmin(admin.ModelAdmin):
    """Trips."""

    list_display = ["destination", "kind", "nights", "leaving", "created_at"]
    list_filter = ["kind"]
    search_fields = ["destination"]
    inlines = [ItemInline]
