"""The project: settings, URLs, and the applications for ASGI, WSGI and Celery."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
