"""The history of maintenance runs, and which default schedules were made."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class MaintenanceRun(models.Model):
    """One run of a maintenance task: who asked for it, how it went, and its figures."""

    class Task(models.TextChoices):
        CLEANUP = "cleanup", _("clean up expired sessions")
        RECONCILE = "reconcile", _("reconcile")
        SAMPLE_MEMORY = "sample_memory", _("sample Redis memory")
        CHECK_EVICTIONS = "check_evictions", _("check evictions")
        CLEAR_DJANGO_SESSIONS = "clear_django_sessions", _("clear Django sessions")

    class Trigger(models.TextChoices):
        BEAT = "beat", _("schedule")
        ADMIN = "admin", _("admin")
        COMMAND = "command", _("command")
        CALL = "call", _("call")

    class Outcome(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        PARTIAL = "partial", _("partial")
        SKIPPED = "skipped", _("skipped")
        NOT_APPLICABLE = "not_applicable", _("not applicable")
        FAILED = "failed", _("failed")
        KILLED = "killed", _("killed")

    task = models.CharField(max_length=40, choices=Task)
    trigger = models.CharField(max_length=10, choices=Trigger)
    #: The name of the schedule, or of the user who asked.
    triggered_by = models.CharField(max_length=200, blank=True)
    #: Celery's id, to find the run in the logs.
    task_id = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    #: Empty while it runs, and for a run that was killed.
    duration_ms = models.FloatField(null=True, blank=True)
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.RUNNING)
    #: Why it was not done.
    reason = models.TextField(blank=True)
    #: What went wrong, without secrets.
    error = models.TextField(blank=True)
    #: Sessions that the run removed.
    removed = models.PositiveBigIntegerField(default=0)
    figures = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("maintenance run")
        verbose_name_plural = _("maintenance runs")
        ordering = ("-started_at", "-pk")
        permissions = [("run_maintenance", _("Can run maintenance tasks now"))]
        indexes = [
            models.Index(fields=["-started_at"], name="djust_run_started"),
            models.Index(fields=["task", "outcome", "-started_at"], name="djust_run_task"),
        ]

    def __str__(self) -> str:
        return f"{self.get_task_display()}, {self.started_at:%Y-%m-%d %H:%M:%S}: {self.get_outcome_display()}"


class SeededSchedule(models.Model):
    """A default schedule that was created once, so that it is not created again after an admin deleted it."""

    name = models.CharField(max_length=200, unique=True)
    seeded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("seeded schedule")
        verbose_name_plural = _("seeded schedules")

    def __str__(self) -> str:
        return self.name
