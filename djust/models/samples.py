"""What was seen of the store over time: memory samples, and sessions that were lost."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class MemorySample(models.Model):
    """What one server said about itself at one moment.

    A figure that could not be had is null, and ``unavailable`` says why. Counts of events cover the ``span_seconds``
    before the sample, so that samples can be merged by adding them up.
    """

    class LimitSource(models.TextChoices):
        MAXMEMORY = "maxmemory", _("maxmemory of the server")
        SETTING = "setting", _("MEMORY_LIMIT_BYTES")
        SYSTEM = "system", _("memory of the machine")

    #: Host and port.
    node = models.CharField(max_length=200)
    #: Changes when the server restarts.
    run_id = models.CharField(max_length=64, blank=True)
    sampled_at = models.DateTimeField()
    used_bytes = models.PositiveBigIntegerField(null=True)
    limit_bytes = models.PositiveBigIntegerField(null=True)
    limit_source = models.CharField(max_length=10, choices=LimitSource, blank=True)
    policy = models.CharField(max_length=30, blank=True)
    rss_bytes = models.PositiveBigIntegerField(null=True)
    #: Resident over used memory; null below the size from which it means anything.
    fragmentation = models.FloatField(null=True)
    clients = models.PositiveIntegerField(null=True)
    #: Seconds since the sample before, over which the next four were counted; null: nothing to compare with.
    span_seconds = models.FloatField(null=True)
    #: Keys that the server dropped to make room.
    evicted = models.PositiveBigIntegerField(null=True)
    #: Keys whose time ran out.
    expired = models.PositiveBigIntegerField(null=True)
    hits = models.PositiveBigIntegerField(null=True)
    misses = models.PositiveBigIntegerField(null=True)
    #: Live sessions on this server, by its index.
    sessions = models.PositiveBigIntegerField(null=True)
    #: Mean size of a payload, and the half-width of its 95 % interval.
    bytes_per_session = models.FloatField(null=True)
    bytes_per_session_margin = models.FloatField(null=True)
    sessions_sampled = models.PositiveIntegerField(null=True)
    #: What the index itself occupies.
    index_bytes = models.PositiveBigIntegerField(null=True)
    #: Estimate of sessions in the index whose data is gone, and the half-width of its 95 % interval.
    lost_estimate = models.FloatField(null=True)
    lost_margin = models.FloatField(null=True)
    #: At the pace of the last samples; null: not growing, or not known.
    seconds_to_full = models.FloatField(null=True)
    #: The server's own counters, with which the next sample compares.
    counters = models.JSONField(default=dict, blank=True)
    #: Name of a figure: why it is null.
    unavailable = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("memory sample")
        verbose_name_plural = _("memory samples")
        ordering = ("-sampled_at", "node")
        indexes = [
            models.Index(fields=["-sampled_at"], name="djust_sample_at"),
            models.Index(fields=["node", "-sampled_at"], name="djust_sample_node"),
        ]

    def __str__(self) -> str:
        return f"{self.node}, {self.sampled_at:%Y-%m-%d %H:%M:%S}"

    @property
    def usage(self) -> float | None:
        """Used memory as a share of the limit; 1.0 is full."""
        return self.used_bytes / self.limit_bytes if self.used_bytes is not None and self.limit_bytes else None

    @property
    def evicted_per_second(self) -> float | None:
        """Keys dropped per second since the sample before."""
        return self._rate(self.evicted)

    @property
    def expired_per_second(self) -> float | None:
        """Keys expired per second since the sample before."""
        return self._rate(self.expired)

    @property
    def hit_ratio(self) -> float | None:
        """Share of the reads since the sample before that found their key."""
        if self.hits is None or self.misses is None or not self.hits + self.misses:
            return None
        return self.hits / (self.hits + self.misses)

    def _rate(self, count: int | None) -> float | None:
        return count / self.span_seconds if count is not None and self.span_seconds else None


class SessionLoss(models.Model):
    """Live sessions that were found to be gone before their time: how many, and why."""

    class Cause(models.TextChoices):
        EVICTED = "evicted", _("evicted")
        FLUSHED = "flushed", _("flushed")
        RESTART = "restart", _("restart without data")
        UNKNOWN = "unknown", _("unknown")

    found_at = models.DateTimeField()
    node = models.CharField(max_length=200, blank=True)
    cause = models.CharField(max_length=10, choices=Cause)
    sessions = models.PositiveBigIntegerField()
    #: Nobody knows the names: the number is that of the last look before.
    estimated = models.BooleanField(default=False)
    #: Different owners among them; null where nobody knows.
    owners = models.PositiveBigIntegerField(null=True)
    #: Label: how many of them.
    labels = models.JSONField(default=dict, blank=True)
    #: How many of them the rules have judged.
    judged_sessions = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("lost sessions")
        verbose_name_plural = _("lost sessions")
        ordering = ("-found_at", "-pk")
        indexes = [models.Index(fields=["-found_at"], name="djust_loss_found")]

    def __str__(self) -> str:
        return f"{self.sessions}, {self.get_cause_display()}, {self.found_at:%Y-%m-%d %H:%M:%S}"
