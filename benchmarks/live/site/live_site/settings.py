"""Settings that both packages understand."""

from __future__ import annotations

import os
from pathlib import Path

_DIRECTORY = Path(__file__).parent
_PEER = os.environ.get("LIVE_PEER") == "1"

SECRET_KEY = "only for benchmarks on the loopback interface"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    *([] if _PEER else ["django_celery_beat"]),
    "channels",
    "djust",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "live_site.urls"
ASGI_APPLICATION = "live_site.asgi.application"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["LIVE_DATABASE"]}}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_DIRECTORY / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
DJUST_CONFIG = {"STATE_BACKEND": "redis", "REDIS_URL": os.environ["LIVE_REDIS_URL"], "SESSION_TTL": 3600}
if _PEER:
    # Everybody comes from one address here, and sends as fast as they are answered.
    LIVEVIEW_CONFIG = {"rate_limit": {"rate": 100_000, "burst": 100_000, "max_connections_per_ip": 100_000}}
    LIVEVIEW_ALLOWED_MODULES = ["live_site.views"]
    # Notices go through memory: one process serves, as with ours.
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
else:
    DJUST_CONFIG |= {"FRAME_RATE": 100_000, "FRAME_BURST": 100_000}
