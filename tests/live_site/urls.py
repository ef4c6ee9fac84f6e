"""Where the views are."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import include, path
from django.views.generic import TemplateView

from tests.live_site import views


def report(request: HttpRequest) -> HttpResponse:
    """A page of another kind, which the browser has to load by itself."""
    return HttpResponse("<!doctype html><title>Report</title><link rel=icon href=data:,><h1>Report</h1>")


def out(request: HttpRequest) -> HttpResponse:
    """Lead to another site, as a login that is elsewhere does."""
    return HttpResponseRedirect(request.GET["to"])


urlpatterns = [
    path("", views.Home.as_view(), name="home"),
    path("fields/", views.Fields.as_view(), name="fields"),
    path("directives/", views.Directives.as_view(), name="directives"),
    path("tasks/", views.Tasks.as_view(), name="tasks"),
    path("search/", views.Search.as_view(), name="search"),
    path("items/<int:number>/", views.Item.as_view(), name="item"),
    path("chart/", views.Chart.as_view(), name="chart"),
    path("room/", views.Room.as_view(), name="room"),
    path("report/", report, name="report"),
    path("out/", out, name="out"),
    path("about/", TemplateView.as_view(template_name="about.html"), name="about"),
    path("login/", auth_views.LoginView.as_view(template_name="login.html"), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("", include("djust.urls")),
]
