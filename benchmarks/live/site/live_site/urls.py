"""Where the views are."""

from __future__ import annotations

from django.urls import path

from live_site.views import CounterView, ListView

urlpatterns = [path("counter/", CounterView.as_view()), path("list/", ListView.as_view())]
