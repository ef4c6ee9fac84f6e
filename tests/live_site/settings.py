"""Settings of the project. See the package for what the environment may say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-tests")
SECRET_KEY_FALLBACKS = [key for key in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if key]
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.live_site.urls"
ASGI_APPLICATION = "tests.live_site.asgi.application"
STATIC_URL = "/static/"
STATICFILES_DIRS = [Path(__file__).parent / "static"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", ":memory:")}}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "djust",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.live_site.middleware.content_security_policy",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DJUST_CONFIG: dict[str, Any] = {
    "STATE_BACKEND": "redis" if "REDIS_URL" in os.environ else "memory",
    "SESSION_TTL": int(os.environ.get("SESSION_TTL", "3600")),
    "HEARTBEAT_SECONDS": float(os.environ.get("HEARTBEAT", "25")),
    "FRAME_RATE": float(os.environ.get("FRAME_RATE", "50")),
    "FRAME_BURST": int(os.environ.get("FRAME_BURST", "200")),
}
if "REDIS_URL" in os.environ:
    DJUST_CONFIG["REDIS_URL"] = os.environ["REDIS_URL"]
    DJUST_CONFIG["KEY_PREFIX"] = os.environ.get("KEY_PREFIX", "djust:")
