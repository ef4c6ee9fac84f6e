"""The overview: how the store is doing, in one glance, and what to do about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from djust.admin.actions import go_back, log_action, only_post
from djust.admin.alerts import open_alert
from djust.admin.chart_library import library_version, serve_library
from djust.admin.charts import drawing, make_charts
from djust.admin.emptiness import why_empty
from djust.admin.losses import recent_losses
from djust.admin.ranges import RANGES, Range, default_range
from djust.admin.readonly import ReadOnly
from djust.admin.runs import RUN_PERMISSION, queue_for, sign_of
from djust.admin.schedules import UnusableArguments, arguments_of, beat_installed, find_row, list_schedules, task_of
from djust.admin.tiles import Tile, make_tiles
from djust.admin.timeline import read_timeline
from djust.admin.times import ago, exact, milliseconds
from djust.models import MaintenanceRun, MemorySample, Overview
from djust.monitoring.status.summary import Summary, summarise

SCHEDULE_PERMISSION = "django_celery_beat.change_periodictask"

#: How many of the last runs are shown.
LAST_RUNS = 8

#: What is due for less than this is about to run.
MOMENT = timedelta(seconds=15)

#: What stands above a headline that does not say so itself.
_VERDICTS = {
    "starting": _("Starting"),
    "attention": _("Needs attention"),
    "trouble": _("Trouble"),
    "unknown": _("Not known"),
}

#: Where the buttons beside the schedules lead back to.
SCHEDULES = "djust-schedules"

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Overview]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(Overview)
class OverviewAdmin(ReadOnly, _ModelAdmin):
    """One page instead of a list."""

    def get_urls(self) -> list[URLPattern]:
        """Return the address of the page, of its script, and of the buttons beside the schedules."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="djust_overview_changelist"),
            path("chart.js", view(serve_library, cacheable=True), name="djust_overview_library"),
            path("schedule/<int:pk>/switch/", view(self.switch_view), name="djust_overview_switch"),
            path("schedule/<int:pk>/run/", view(self.run_view), name="djust_overview_run"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        summary = summarise(now)
        context = {
            **self.admin_site.each_context(request),
            "title": self.opts.verbose_name.capitalize() if self.opts.verbose_name else "",
            "opts": self.opts,
            "now_exact": exact(now),
            "library_version": library_version(),
            **_state(request, summary),
            **_charts(request, summary),
            **_maintenance(request, now),
            **_losses(request, now),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/djust/overview/page.html", context)

    @only_post(SCHEDULE_PERMISSION)
    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Turn a schedule on or off."""
        row = find_row(pk)
        if row is None:
            return HttpResponseNotFound()
        row.enabled = request.POST.get("enabled") == "1"
        row.save()
        text = (_("Turned on: %(name)s") if row.enabled else _("Turned off: %(name)s")) % {"name": row.name}
        log_action(request, row, text)
        self.message_user(request, text, messages.SUCCESS)
        return self._back(request)

    @only_post(RUN_PERMISSION)
    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Queue the task of a schedule, with its arguments and on its queue."""
        row = find_row(pk)
        task = None if row is None else task_of(row)
        if task is None:
            return HttpResponseNotFound()
        try:
            args, kwargs = arguments_of(row)
        except UnusableArguments as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            queue_for(request, task, args=args, kwargs=kwargs, queue=row.queue)
        return self._back(request)

    def _back(self, request: HttpRequest) -> HttpResponse:
        page = reverse("admin:djust_overview_changelist", current_app=self.admin_site.name)
        return go_back(request, f"{page}#{SCHEDULES}")


def _state(request: HttpRequest, summary: Summary) -> dict[str, Any]:
    return {
        "summary": summary,
        "verdict": _VERDICTS.get(summary.verdict, ""),
        "more_reasons": [reason for reason in summary.reasons if reason != summary.headline],
        "tiles": [
            {"tile": tile, "url": reverse(f"admin:djust_{tile.model}_changelist") if _may_view(request, tile) else ""}
            for tile in make_tiles(summary)
        ],
        "alerts": [open_alert(request, alert) for alert in summary.alerts],
        "may_view_alerts": request.user.has_perm("djust.view_alert"),
    }


def _may_view(request: HttpRequest, tile: Tile) -> bool:
    return bool(tile.model) and request.user.has_perm(f"djust.view_{tile.model}")


def _charts(request: HttpRequest, summary: Summary) -> dict[str, Any]:
    chosen = _chosen(request, summary.at)
    timeline = read_timeline(chosen, summary.at, summary.samples)
    charts = make_charts(timeline, why_empty(timeline))
    return {
        "ranges": list(RANGES.values()),
        "range": chosen,
        "charts": charts,
        "drawing": drawing(timeline, charts),
    }


def _chosen(request: HttpRequest, now: datetime) -> Range:
    chosen = RANGES.get(request.GET.get("range", ""))
    if chosen is not None:
        return chosen
    return default_range(MemorySample.objects.order_by("sampled_at").values_list("sampled_at", flat=True).first(), now)


def _maintenance(request: HttpRequest, now: datetime) -> dict[str, Any]:
    schedules = [
        {
            "row": schedule,
            "next": _when_due(schedule.next_at, now) if schedule.next_at else schedule.why,
            "in_vain": ago(schedule.in_vain_at, now) if schedule.in_vain_at else "",
            "last": ago(schedule.last_run.started_at, now) if schedule.last_run else "",
            "outcome": sign_of(schedule.last_run) if schedule.last_run else "",
        }
        for schedule in list_schedules(now)
    ]
    runs = [
        {
            "run": run,
            "when": ago(run.started_at, now),
            "outcome": sign_of(run),
            "took": milliseconds(run.duration_ms) or "",
        }
        for run in MaintenanceRun.objects.all()[:LAST_RUNS]
    ]
    return {
        "schedules": schedules,
        "beat_installed": beat_installed(),
        "may_run": request.user.has_perm(RUN_PERMISSION),
        "may_switch": request.user.has_perm(SCHEDULE_PERMISSION),
        "runs": runs,
        "may_view_runs": request.user.has_perm("djust.view_maintenancerun"),
    }


def _when_due(moment: datetime, now: datetime) -> str:
    if moment > now:
        return ago(moment, now)
    return str(_("due now")) if now - moment < MOMENT else format_html("{} {}", _("was due"), ago(moment, now))


def _losses(request: HttpRequest, now: datetime) -> dict[str, Any]:
    losses = recent_losses(now)
    causes = [{"cause": each.cause, "count": each.count, "when": ago(each.last_at, now)} for each in losses.causes]
    return {
        "causes": causes,
        "labels": losses.labels,
        "may_view_losses": request.user.has_perm("djust.view_sessionloss"),
    }
