"""Settings of the project. See the package for what the environment may say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from djust.log import logging_config

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-tests")
SECRET_KEY_FALLBACKS = [key for key in os.environ.get("SECRET_KEY_FALLBACKS", "").split(",") if key]
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.survival_site.urls"
STATIC_URL = "/static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGOUT_REDIRECT_URL = "/"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", ":memory:"),
        "OPTIONS": {"timeout": 30},
    }
}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "djust",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

LOGGING = logging_config(json=True, level="INFO")
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
DJUST_CONFIG: dict[str, Any] = {
    "STATE_BACKEND": "redis",
    "REDIS_URL": REDIS_URL,
    **json.loads(os.environ.get("OPTIONS", "{}")),
}
