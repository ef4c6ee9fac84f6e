"""The application."""

from django.apps import AppConfig


class PackingConfig(AppConfig):
    """Packing lists."""

    name = "packing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the trips of a visitor become those of the user who signs in."""
        from packing import visitors  # noqa: PLC0415 - needs the models

        visitors.connect()
