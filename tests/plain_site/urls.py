"""The pages."""

from django.contrib import admin
from django.urls import include, path

from tests.plain_site.views import CounterView, DoneView, SearchView, TodoView

urlpatterns = [
    path("", CounterView.as_view(), name="counter"),
    path("todos/", TodoView.as_view(), name="todos"),
    path("search/", SearchView.as_view(), name="search"),
    path("done/<int:count>/", DoneView.as_view(), name="done"),
    path("admin/", admin.site.urls),
    path("djust/", include("djust.urls")),
]
