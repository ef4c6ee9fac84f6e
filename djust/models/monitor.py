"""What the monitor remembers from one look to the next."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class MonitorState(models.Model):
    """What the last check saw and how far its walk came. One row for each store that was ever looked at."""

    #: Server and key prefix.
    store = models.CharField(max_length=300, unique=True)
    data = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    #: Counts the writes, so that of two workers only one reports what it saw.
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("monitor state")
        verbose_name_plural = _("monitor states")

    def __str__(self) -> str:
        return self.store


class Total(models.Model):
    """A count that only grows, however short the history is that is kept."""

    name = models.CharField(max_length=100, unique=True)
    value = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("total")
        verbose_name_plural = _("totals")

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"
