"""The list of memory samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from djust.admin.figures import figures_table, number, percent, size_of
from djust.admin.readonly import ReadOnly
from djust.admin.times import exact
from djust.models import MemorySample

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[MemorySample]
else:
    _ModelAdmin = admin.ModelAdmin

_KEPT_INSIDE = ("id", "node", "sampled_at", "counters", "unavailable")


@admin.register(MemorySample)
class MemorySampleAdmin(ReadOnly, _ModelAdmin):
    """Shows what each server said about itself, and when."""

    list_display = ("taken", "node", "used", "limit", "share", "evicted_keys", "live_sessions")
    list_filter = ("node", "policy", "sampled_at")
    date_hierarchy = "sampled_at"
    list_per_page = 50
    show_full_result_count = False
    fields = ("taken", "node", "all_figures")
    readonly_fields = fields

    class Media:
        css = {"all": ("djust/admin.css",)}

    @admin.display(description=_("sampled at"), ordering="sampled_at")
    def taken(self, sample: MemorySample) -> str:
        """Return when it was taken."""
        return exact(sample.sampled_at)

    @admin.display(description=_("used"), ordering="used_bytes")
    def used(self, sample: MemorySample) -> str:
        """Return the used memory."""
        return size_of(sample.used_bytes)

    @admin.display(description=_("limit"), ordering="limit_bytes")
    def limit(self, sample: MemorySample) -> str:
        """Return what it may use."""
        return size_of(sample.limit_bytes)

    @admin.display(description=_("usage"))
    def share(self, sample: MemorySample) -> str:
        """Return used over limit."""
        return percent(sample.usage)

    @admin.display(description=_("evicted"), ordering="evicted")
    def evicted_keys(self, sample: MemorySample) -> str:
        """Return the keys evicted since the sample before."""
        return number(sample.evicted)

    @admin.display(description=_("live sessions"), ordering="sessions")
    def live_sessions(self, sample: MemorySample) -> str:
        """Return the sessions on this server."""
        return number(sample.sessions)

    @admin.display(description=_("figures"))
    def all_figures(self, sample: MemorySample) -> SafeString:
        """Return every figure, or why it is missing."""
        names = [each.name for each in sample._meta.fields if each.name not in _KEPT_INSIDE]  # noqa: SLF001 - Django's API
        figures = {name: getattr(sample, name) for name in names}
        return figures_table({**figures, "usage": sample.usage, "unavailable": sample.unavailable})
