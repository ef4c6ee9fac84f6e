"""The settings of the example, all from the environment. Each variable stands in example/README.md."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import environment
from config.celery_settings import celery_settings
from djust.log import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

# Who we are

DEBUG = environment.boolean("DEBUG", default=False)
SECRET_KEY = environment.text("SECRET_KEY", "only-for-development" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY must be set, the same for web, worker and beat, unless DEBUG is on.")

# Keys of before, with which what they signed stays valid while a new one is brought in.
SECRET_KEY_FALLBACKS = environment.listing("SECRET_KEY_FALLBACKS")

ALLOWED_HOSTS = environment.listing("ALLOWED_HOSTS", "localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = environment.listing("CSRF_TRUSTED_ORIGINS")

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

# djust

DJUST_CONFIG = {
    "STATE_BACKEND": environment.text("STATE_BACKEND", "redis"),
    "REDIS_URL": environment.text("REDIS_URL", "redis://localhost:6379/0"),
    "SESSION_TTL": environment.seconds("SESSION_TTL", 7200),
    "SESSION_MAX_AGE": environment.seconds("SESSION_MAX_AGE", None),
    "PAGE_TTL": environment.seconds("PAGE_TTL", 60),
    "DRAIN_SECONDS": environment.seconds("DRAIN_SECONDS", 0),
    "KEY_PREFIX": environment.text("KEY_PREFIX", "djust:"),
    "ALERT_RULES": environment.mapping("ALERT_RULES"),
    "ALERT_URLS": environment.listing("ALERT_URLS"),
    "SITE_URL": environment.text("SITE_URL", "") or None,
    "METRICS_TOKEN": environment.text("METRICS_TOKEN", "") or None,
}

# Celery. The broker is a server of its own: eviction is a policy of a whole server, and an evicted queue is lost work.

for _name, _value in celery_settings(environment.text("CELERY_BROKER_URL", "redis://localhost:6380/0")).items():
    globals()[f"CELERY_{_name.upper()}"] = _value

# Applications

INSTALLED_APPS = [
    "packing",
    "djust",
    "channels",
    "django_celery_beat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.csp.ContentSecurityPolicyMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

# Tables

DATABASES = {"default": environment.database("DATABASE_URL", BASE_DIR / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LOGIN_URL = "packing:sign_in"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "packing:start"

# Words and times

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

# Static files: served by the application unless a web server in front of it does that

STATIC_URL = "static/"
STATIC_ROOT = environment.text("STATIC_ROOT", str(BASE_DIR / "static-files"))
SERVE_STATIC = environment.boolean("SERVE_STATIC", default=True)

# Behind a proxy that speaks HTTPS with the visitors and sets X-Forwarded-Proto

if environment.boolean("BEHIND_HTTPS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Balancers and scrapers ask from inside, without HTTPS.
    SECURE_REDIRECT_EXEMPT = [r"^djust/(health|metrics)/"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# Who is told of alerts and errors by mail, and through which server

ADMINS = [(address, address) for address in environment.listing("ADMINS")]
EMAIL_HOST = environment.text("EMAIL_HOST", "localhost")
EMAIL_PORT = environment.port("EMAIL_PORT", 25)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.text("EMAIL_FROM", "djust@localhost")

# Error pages and mails do not show the URLs of the servers, which hold passwords.

DEFAULT_EXCEPTION_REPORTER_FILTER = "djust.error_reports.UrlHidingFilter"

# Logs: JSON for machines, colour for people, the same for web, worker and beat

LOGGING = logging_config(
    json=environment.text("LOG_FORMAT", "console" if DEBUG else "json") == "json",
    level=environment.text("LOG_LEVEL", "INFO").upper(),
)
if not environment.boolean("ACCESS_LOG", default=True):
    LOGGING["loggers"]["uvicorn.access"] = {"level": "WARNING"}
    LOGGING["filters"] = {"not_of_sockets": {"()": "config.quiet.NotOfSockets"}}
    LOGGING["loggers"]["uvicorn.error"] = {"filters": ["not_of_sockets"]}
