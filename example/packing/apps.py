"""The application."""

from django.apps import AppConfig


class PackingConfig(AppConfig):
    """Packing lists."""

    name = "packing"
