"""Sessions that were lost: the list, and what the last days' losses have in common."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Max, Sum
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from djust.admin.figures import EMPTY, number
from djust.admin.readonly import ReadOnly
from djust.admin.times import exact
from djust.models import SessionLoss

RECENT = timedelta(days=7)

#: Rows whose labels are added up, and labels that are shown.
LABELLED_ROWS = 1000
TOP_LABELS = 8

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[SessionLoss]
else:
    _ModelAdmin = admin.ModelAdmin


@dataclass(frozen=True, slots=True)
class CauseOfLoss:
    """What one cause took."""

    cause: str
    sessions: int
    #: Some of them were never counted one by one.
    estimated: bool
    last_at: datetime

    @property
    def count(self) -> str:
        """How many, for people."""
        return _count(self.sessions, estimated=self.estimated)


@dataclass(frozen=True, slots=True)
class RecentLosses:
    """The losses of the last days."""

    causes: list[CauseOfLoss]
    #: Label and sessions, the most first; of those whose names were known.
    labels: list[tuple[str, str]]


def recent_losses(now: datetime) -> RecentLosses:
    """Return the losses of the last days by cause and by label."""
    losses = SessionLoss.objects.filter(found_at__gt=now - RECENT, found_at__lte=now)
    grouped = losses.order_by().values("cause", "estimated").annotate(total=Sum("sessions"), last=Max("found_at"))
    causes: dict[str, CauseOfLoss] = {}
    for row in grouped:
        before = causes.get(row["cause"])
        causes[row["cause"]] = CauseOfLoss(
            cause=str(SessionLoss(cause=row["cause"]).get_cause_display()),
            sessions=row["total"] + (before.sessions if before else 0),
            estimated=row["estimated"] or bool(before and before.estimated),
            last_at=max(row["last"], before.last_at) if before else row["last"],
        )
    labels: Counter[str] = Counter()
    for found in losses.values_list("labels", flat=True)[:LABELLED_ROWS]:
        labels.update(found)
    return RecentLosses(
        sorted(causes.values(), key=lambda cause: -cause.sessions),
        [(label or str(_("no label")), number(count)) for label, count in labels.most_common(TOP_LABELS)],
    )


@admin.register(SessionLoss)
class SessionLossAdmin(ReadOnly, _ModelAdmin):
    """Shows what was lost, when, and why."""

    list_display = ("found", "cause", "count", "owner_count", "node", "by_label")
    list_filter = ("cause", "estimated", "found_at")
    date_hierarchy = "found_at"
    list_per_page = 50
    show_full_result_count = False
    fields = ("found", "cause", "count", "owner_count", "node", "by_label")
    readonly_fields = fields

    class Media:
        css = {"all": ("djust/admin.css",)}

    @admin.display(description=_("found at"), ordering="found_at")
    def found(self, loss: SessionLoss) -> str:
        """Return when the loss was found."""
        return exact(loss.found_at)

    @admin.display(description=_("sessions"), ordering="sessions")
    def count(self, loss: SessionLoss) -> str:
        """Return how many, and whether that is an estimate."""
        return _count(loss.sessions, estimated=loss.estimated)

    @admin.display(description=_("owners"), ordering="owners")
    def owner_count(self, loss: SessionLoss) -> str:
        """Return how many owners were hit, or a dash where nobody knows."""
        return number(loss.owners)

    @admin.display(description=_("labels"))
    def by_label(self, loss: SessionLoss) -> str:
        """Return the labels with their counts, the most first."""
        ordered = sorted(loss.labels.items(), key=lambda item: -item[1])
        return (
            format_html_join(", ", "{}: {}", ((label or _("no label"), number(count)) for label, count in ordered))
            or EMPTY
        )


def _count(sessions: int, *, estimated: bool) -> str:
    return f"≈ {number(sessions)}" if estimated else number(sessions)
