"""The Django application."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from djust.live_view import fallback_keys, logins
from djust.schedule import seed_after_migrate


class DjustConfig(AppConfig):
    """Looks after LiveView sessions."""

    name = "djust"
    verbose_name = "djust"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # They know the alert rules, which know the models, and those are there only now.
        import_module("djust.checks")
        logins.connect()
        fallback_keys.connect()
        post_migrate.connect(seed_after_migrate, dispatch_uid="djust.schedule")
