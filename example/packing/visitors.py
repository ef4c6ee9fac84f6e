"""Whose trips are whose: a user's are in the database, those of anybody else in their Django session."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from packing.models import Trip

SESSION_KEY = "trips"
MOST = 50


def remember(request: HttpRequest, trip: Trip) -> None:
    """Let a trip be one of the visitor's, who has opened it. Only over HTTP: a socket cannot begin a session."""
    if request.user.is_authenticated:
        trip.people.add(request.user)
        return
    slugs = slugs_of(request)
    if slugs[:1] != [trip.slug]:
        request.session[SESSION_KEY] = [trip.slug, *(slug for slug in slugs if slug != trip.slug)][:MOST]


def slugs_of(request: HttpRequest) -> list[str]:
    """Return the slugs in the visitor's Django session."""
    return list(request.session.get(SESSION_KEY, ()))


def trips_of(user: Any, slugs: list[str]) -> QuerySet[Trip]:
    """Return a visitor's trips, the latest first, with how many things each has as ``total``, and ``done`` of them."""
    mine = Q(slug__in=slugs)
    if user is not None and user.is_authenticated:
        mine |= Q(people=user)
    listed = Q(items__removed_at=None)
    return (
        Trip.objects.filter(pk__in=Trip.objects.filter(mine).values("pk"))
        .annotate(
            total=Count("items", filter=listed),
            done=Count("items", filter=listed & Q(items__packed=True)),
        )
        .order_by("-created_at")[:MOST]
    )


def name_of(user: Any) -> str:
    """Return what others call a visitor."""
    return str(user.get_short_name() or user.get_username()) if user is not None and user.is_authenticated else ""


def connect() -> None:
    """Hear of people who sign in."""
    user_logged_in.connect(_keep_trips, dispatch_uid="packing.visitors")


def _keep_trips(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Give a user the trips that they opened before they signed in."""
    user.trips.add(*Trip.objects.filter(slug__in=slugs_of(request)))
    request.session.pop(SESSION_KEY, None)
