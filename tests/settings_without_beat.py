"""The test settings of a project that does not use django-celery-beat."""

from __future__ import annotations

from tests import settings
from tests.settings import *  # noqa: F403

INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_celery_beat"]
