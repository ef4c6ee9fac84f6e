"""Alerts, and the messages that tell people of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Alert(models.Model):
    """Something that is wrong with the store or its maintenance, from its first sign until it is over.

    At most one of a rule and server is open. ``djust.monitoring.alerting.alerts`` moves it from state to state.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        FIRING = "firing", _("firing")
        ACKNOWLEDGED = "acknowledged", _("acknowledged")
        SILENCED = "silenced", _("silenced")
        RESOLVED = "resolved", _("resolved")

    class Severity(models.TextChoices):
        WARNING = "warning", _("warning")
        CRITICAL = "critical", _("critical")

    rule = models.CharField(max_length=40)
    #: Host and port of the server it is about; empty: the store as a whole, or its maintenance.
    node = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    severity = models.CharField(max_length=10, choices=Severity)
    #: The figures that it is about are missing, so nobody knows whether it is over.
    stale = models.BooleanField(default=False)
    #: What is wrong, in one line with figures.
    summary = models.TextField(blank=True)
    #: What to do, with the arithmetic behind it.
    advice = models.TextField(blank=True)
    #: The figure that was compared last, what with, and the worst it was.
    value = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    peak = models.FloatField(null=True)
    pending_since = models.DateTimeField()
    fired_at = models.DateTimeField(null=True)
    #: Since when the condition has not held.
    calm_since = models.DateTimeField(null=True)
    #: When the condition was last looked at with figures that say something.
    last_seen_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    silenced_until = models.DateTimeField(null=True)
    silenced_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True)
    #: The last message about it; null: there was none. And how severe people think it is; empty: they do not know that
    #: it fires, as when it came back in the cool-down after they were told of its end.
    announced_at = models.DateTimeField(null=True)
    announced_severity = models.CharField(max_length=10, choices=Severity, blank=True)
    #: The figure that people were told of last.
    announced_value = models.FloatField(null=True)
    #: How often it came back before it was calm for long enough. Each time doubles the calm that ends it.
    returns = models.PositiveIntegerField(default=0)
    #: Counts the writes, so that of two workers only one moves it on.
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-pending_since", "-pk")
        permissions = [
            ("acknowledge_alert", _("Can acknowledge alerts")),
            ("silence_alert", _("Can silence alerts")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["rule", "node"], condition=~Q(state="resolved"), name="djust_alert_open"),
        ]
        indexes = [models.Index(fields=["state", "-pending_since"], name="djust_alert_state")]

    def __str__(self) -> str:
        return f"{self.rule} {self.node}: {self.get_state_display()}".replace(" :", ":")


class AlertMessage(models.Model):
    """One message on its way to people, by one channel. It stays until it is delivered or given up."""

    class Kind(models.TextChoices):
        FIRED = "fired", _("fired")
        ESCALATED = "escalated", _("escalated")
        RESOLVED = "resolved", _("resolved")

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        APPRISE = "apprise", _("Apprise")

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="messages")
    kind = models.CharField(max_length=10, choices=Kind)
    channel = models.CharField(max_length=10, choices=Channel)
    #: Which of several of the channel: a hash of the Apprise URL, which may itself hold a token.
    target = models.CharField(max_length=16, blank=True)
    subject = models.TextField()
    body = models.TextField()
    created_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    #: Null: delivered, or given up.
    next_attempt_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    #: Why the last attempt failed, without secrets.
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = _("alert message")
        verbose_name_plural = _("alert messages")
        ordering = ("created_at", "pk")
        indexes = [models.Index(fields=["next_attempt_at"], name="djust_message_next")]

    def __str__(self) -> str:
        return f"{self.subject} ({self.get_channel_display()})"
