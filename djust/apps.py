"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from djust import checks  # noqa: F401 - registers them
from djust.schedule import seed_after_migrate


class DjustConfig(AppConfig):
    """Looks after LiveView sessions."""

    name = "djust"
    verbose_name = "djust"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        post_migrate.connect(seed_after_migrate, dispatch_uid="djust.schedule")
