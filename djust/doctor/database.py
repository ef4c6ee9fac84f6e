"""The database: whether it answers and has its tables."""

from __future__ import annotations

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, router
from django.db.migrations.loader import MigrationLoader

from djust.doctor.findings import Finding, Item, ok, problem
from djust.models import MaintenanceRun
from djust.schedule import BEAT_APP

DATABASE_ERRORS = (DatabaseError, InterfaceError)


def examine() -> Finding:
    """Say whether the tables of djust, and of django-celery-beat where it is installed, are those of this release."""
    try:
        missing = {app: names for app, database in _homes().items() if (names := _missing(app, database))}
    except DATABASE_ERRORS as error:
        return problem(
            Item.MIGRATIONS,
            f"The database cannot be used ({type(error).__name__}).",
            "Check that it runs, and DATABASES. Clean-ups go on without it, but beat, history and alerts do not.",
        )
    if missing:
        return problem(
            Item.MIGRATIONS,
            f"Migrations are not applied: {', '.join(f'{app} {_listed(names)}' for app, names in missing.items())}.",
            "Run manage.py migrate, then restart worker and beat.",
        )
    return ok(Item.MIGRATIONS, "All migrations are applied.")


def _homes() -> dict[str, str]:
    """Return the apps that matter, and the database that each lives in."""
    homes = {"djust": router.db_for_write(MaintenanceRun)}
    if apps.is_installed(BEAT_APP):
        homes[BEAT_APP] = router.db_for_write(apps.get_model(BEAT_APP, "PeriodicTask"))
    return {app: database or DEFAULT_DB_ALIAS for app, database in homes.items()}


def _missing(app: str, database: str) -> list[str]:
    loader = MigrationLoader(connections[database])
    wanted = {key for leaf in loader.graph.leaf_nodes(app) for key in loader.graph.forwards_plan(leaf)}
    return sorted(name for label, name in wanted - loader.applied_migrations.keys() if label == app)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
