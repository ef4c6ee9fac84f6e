"""``DATABASE`` and ``REDIS_URL`` must be set; ``KEY_PREFIX``, ``FRAME_RATE`` and ``FRAME_BURST`` may be."""

from __future__ import annotations

import os
from typing import Any

from djust.log import logging_config

SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-tests")
ALLOWED_HOSTS = ["127.0.0.1", "shop.example"]
CSRF_TRUSTED_ORIGINS = ["https://*.partner.example"]
USE_TZ = True
ROOT_URLCONF = "tests.hostile_site.urls"
ASGI_APPLICATION = "tests.hostile_site.asgi.application"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING = logging_config(json=True)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE"],
        "OPTIONS": {"timeout": 30},
    }
}

INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "channels", "djust"]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

PAGE = """{% load live_tags %}<!doctype html><html><head><title>x</title>{% djust_client_config %}</head>
<body dj-view="{{ dj_view_id }}"><div dj-root>
<b>{{ count }}</b><i>{{ text }}</i><u>{{ page }}</u><s>{{ agreed }}</s>
<input dj-model="query" value="{{ query }}"><input type="checkbox" dj-model="agreed">
<select multiple dj-model="tags">{% for tag in tags %}<option>{{ tag }}</option>{% endfor %}</select>
<button dj-click="increment">+</button>
</div></body></html>"""

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"page.html": PAGE})],
            "context_processors": ["django.template.context_processors.request"],
        },
    }
]

DJUST_CONFIG: dict[str, Any] = {
    "STATE_BACKEND": "redis",
    "REDIS_URL": os.environ["REDIS_URL"],
    "KEY_PREFIX": os.environ.get("KEY_PREFIX", "djust:"),
    "FRAME_RATE": float(os.environ.get("FRAME_RATE", "50")),
    "FRAME_BURST": int(os.environ.get("FRAME_BURST", "200")),
}
