"""``path("djust/", include("djust.urls"))``."""

from __future__ import annotations

from django.urls import path

from djust import views

app_name = "djust"

urlpatterns = [
    path("health/", views.health, name="health"),
    path("health/live/", views.live, name="live"),
    path("health/ready/", views.ready, name="ready"),
    path("metrics/", views.metrics, name="metrics"),
]
