"""The test settings of a project with two databases. ``TEST_SECOND_APPS`` names the apps that a router puts there."""

from __future__ import annotations

import os
from typing import Any

from tests import settings
from tests.settings import *  # noqa: F403

SECOND_APPS = os.environ.get("TEST_SECOND_APPS", "").split()


class Router:
    """Keeps some apps in the second database."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        """See Django's documentation of routers."""
        return "second" if model._meta.app_label in SECOND_APPS else "default"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool:
        """See Django's documentation of routers."""
        return (db == "second") == (app_label in SECOND_APPS)


DATABASES = {**settings.DATABASES, "second": settings.database(os.environ["TEST_SECOND_DATABASE_URL"])}
DATABASE_ROUTERS = [Router()] if SECOND_APPS else []
