"""Where the views are."""

from django.http import HttpResponse
from django.urls import path

from tests.hostile_site import views

urlpatterns = [
    path("", views.Counter.as_view()),
    path("items/<int:number>/", views.Item.as_view()),
    path("plain/", lambda request: HttpResponse("plain")),
    path("login/<str:name>/", views.log_in),
    path("logout/", views.log_out),
]
