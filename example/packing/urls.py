"""The pages of the packing list."""

from django.urls import path

from packing import views

app_name = "packing"

urlpatterns = [
    path("", views.show, name="show"),
    path("start/", views.start, name="start"),
    path("pack/", views.pack, name="pack"),
    path("add/", views.add, name="add"),
    path("remove/", views.remove, name="remove"),
    path("discard/", views.discard, name="discard"),
]
