"""Where the views are."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from tests.survival_site import views

urlpatterns = [
    path("", views.Counter.as_view(), name="counter"),
    path("form/", views.Form.as_view(), name="form"),
    path("same/", views.Same.as_view(), name="same"),
    path("other/", views.Other.as_view(), name="other"),
    path("versioned/", views.Versioned.as_view(), name="versioned"),
    path("sockets/", views.sockets, name="sockets"),
    path("admin/", admin.site.urls),
    path("djust/", include("djust.urls")),
]
