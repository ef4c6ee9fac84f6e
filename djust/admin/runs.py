"""The history of maintenance runs, and "Run now"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from djust.admin.actions import go_back, log_action, only_post
from djust.admin.figures import figures_table, number
from djust.admin.readonly import ReadOnly
from djust.admin.times import exact, milliseconds
from djust.models import MaintenanceRun
from djust.tasks.queue import TASKS, BrokerUnavailable, queue_task

RUN_PERMISSION = "djust.run_maintenance"

#: A sign beside each outcome, for those who do not tell colours apart.
_SIGNS: dict[str, str] = {
    MaintenanceRun.Outcome.RUNNING: "…",
    MaintenanceRun.Outcome.DONE: "✓",
    MaintenanceRun.Outcome.PARTIAL: "◐",
    MaintenanceRun.Outcome.SKIPPED: "-",
    MaintenanceRun.Outcome.NOT_APPLICABLE: "-",
    MaintenanceRun.Outcome.FAILED: "✗",
    MaintenanceRun.Outcome.KILLED: "✗",
}


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[MaintenanceRun]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(MaintenanceRun)
class MaintenanceRunAdmin(ReadOnly, _ModelAdmin):
    """Shows what ran. Rows are written by the runs and go with age, so nobody edits them here."""

    list_display = ("started", "result", "task", "freed", "left", "took", "asked_by")
    list_filter = ("task", "trigger", "outcome", "started_at")
    search_fields = ("task_id", "triggered_by")
    date_hierarchy = "started_at"
    list_per_page = 50
    show_full_result_count = False
    fields = (
        "task",
        "result",
        "started",
        "took",
        "trigger",
        "triggered_by",
        "task_id",
        "reason",
        "error",
        "all_figures",
    )
    readonly_fields = fields
    change_list_template = "admin/djust/maintenancerun/change_list.html"

    class Media:
        css = {"all": ("djust/admin.css",)}

    @admin.display(description=_("started at"), ordering="started_at")
    def started(self, run: MaintenanceRun) -> str:
        """Return when it began."""
        return exact(run.started_at)

    @admin.display(description=_("triggered by"), ordering="trigger")
    def asked_by(self, run: MaintenanceRun) -> str:
        """Return the trigger, and who it was."""
        return f"{run.get_trigger_display()}: {run.triggered_by}" if run.triggered_by else run.get_trigger_display()

    @admin.display(description=_("outcome"), ordering="outcome")
    def result(self, run: MaintenanceRun) -> SafeString:
        """Return the outcome with its sign."""
        return sign_of(run)

    @admin.display(description=_("removed"), ordering="removed")
    def freed(self, run: MaintenanceRun) -> str:
        """Return how many sessions the run removed, or a dash for one that does not remove any."""
        return number(run.figures.get("removed", run.removed or None))

    @admin.display(description=_("left"))
    def left(self, run: MaintenanceRun) -> str:
        """Return what the run left for the next one."""
        return number(run.figures.get("remaining"))

    @admin.display(description=_("took"), ordering="duration_ms")
    def took(self, run: MaintenanceRun) -> str | None:
        """Return the duration for people."""
        return milliseconds(run.duration_ms)

    @admin.display(description=_("figures"))
    def all_figures(self, run: MaintenanceRun) -> SafeString | None:
        """Return the figures as a table."""
        return figures_table(run.figures) if run.figures else None

    def get_urls(self) -> list[URLPattern]:
        """Add the address of "Run now"."""
        run = path("run/<str:task>/", self.admin_site.admin_view(self.run_view), name="djust_maintenancerun_run")
        return [run, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse | HttpResponse:
        """Show the list, with a button for each task to those who may press it."""
        tasks = list(TASKS) if request.user.has_perm(RUN_PERMISSION) else []
        return super().changelist_view(request, {**(extra_context or {}), "djust_tasks": tasks})

    @only_post(RUN_PERMISSION)
    def run_view(self, request: HttpRequest, task: str) -> HttpResponse:
        """Queue a task for a worker."""
        if task not in TASKS:
            return HttpResponseNotFound()
        queue_for(request, MaintenanceRun.Task(task))
        return go_back(request, reverse("admin:djust_maintenancerun_changelist", current_app=self.admin_site.name))


def queue_for(request: HttpRequest, task: MaintenanceRun.Task, **arguments: Any) -> None:
    """Queue a task because this person asked, tell them what became of it, and write it to the admin's log.

    Args:
        request: Of the person.
        task: Which.
        arguments: More of ``queue_task``.
    """
    try:
        task_id = queue_task(task, user=request.user.get_username(), **arguments)
    except BrokerUnavailable as error:
        messages.error(request, str(error))
    else:
        log_action(request, MaintenanceRun, f"Queued: {task.label} ({task_id})", ADDITION)
        text = _("Queued: %(task)s. Its row appears below when a worker has taken it. Task id: %(id)s")
        messages.success(request, text % {"task": task.label, "id": task_id})


def sign_of(run: MaintenanceRun) -> SafeString:
    """Return the outcome of a run with its sign."""
    # While releases mix, a newer one may have written what this one does not know.
    sign = _SIGNS.get(run.outcome, "?")
    return format_html(
        '<span class="djust-outcome djust-{}">{} {}</span>', run.outcome, sign, run.get_outcome_display()
    )
