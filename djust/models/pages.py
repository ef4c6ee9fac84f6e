"""Pages of Django admin that are no tables. As models they have a place in its index, and permissions."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from djust.models.samples import MemorySample


class Overview(MemorySample):
    """How the store is doing, on one page."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = _("overview")
        verbose_name_plural = _("overview")


class LiveSession(models.Model):
    """A session in the store. There is no such table: the page asks the store."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = _("live session")
        verbose_name_plural = _("live sessions")
        permissions = [
            ("end_session", _("Can end a session")),
            ("end_owner_sessions", _("Can end all sessions of an owner")),
        ]

    def __str__(self) -> str:
        return "live session"
