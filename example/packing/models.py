"""Trips, and what is to be packed for them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from packing.suggestions import GROUPS, KINDS, Suggestion

#: How long what was taken off a list can be put back.
UNDO_TIME = timedelta(days=1)


def new_key() -> str:
    """Return a random text that nobody can guess: whoever has that of a trip can open it."""
    return secrets.token_urlsafe(12)


class Trip(models.Model):
    """A trip, which everybody can pack for who has its link."""

    MAX_ITEMS = 200

    slug = models.CharField(max_length=24, unique=True, default=new_key)
    destination = models.CharField(max_length=60)
    kind = models.CharField(max_length=8, choices=list(KINDS.items()))
    nights = models.PositiveSmallIntegerField()
    leaving = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="trips", blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.destination

    def get_absolute_url(self) -> str:
        """Return the path of the page on which it is packed."""
        return reverse("packing:trip", args=[self.slug])

    @classmethod
    def plan(cls, slug: str, suggestions: Iterable[Suggestion], **fields: Any) -> Trip:
        """Make a trip with its list; return the one that exists if there is one with this slug.

        An event that is sent again after a server was lost may run a second time. Since the slug was drawn before, it
        finds what the first time made.
        """
        with transaction.atomic():
            trip, is_new = cls.objects.get_or_create(slug=slug, defaults=fields)
            if is_new:
                Item.objects.bulk_create(Item(trip=trip, **suggestion._asdict()) for suggestion in suggestions)
        return trip

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more thing."""
        return self.items.on_the_list().count() >= self.MAX_ITEMS

    def add(self, key: str, name: str, group: str) -> Item:
        """Put one more thing on the list, once for each key."""
        item, _ = self.items.get_or_create(key=key, defaults={"name": name, "group": group})
        return item

    def take_off(self, pk: int) -> Item | None:
        """Take a thing off the list, and return it if it was there. It can be put back for a while."""
        now = timezone.now()
        self.items.filter(removed_at__lt=now - UNDO_TIME).delete()
        self.items.on_the_list().filter(pk=pk).update(removed_at=now)
        return self.items.filter(pk=pk).first()


class ItemQuerySet(models.QuerySet["Item"]):
    """Things."""

    def on_the_list(self) -> ItemQuerySet:
        """Leave out what was taken off the list."""
        return self.filter(removed_at=None)


class Item(models.Model):
    """A thing on a list."""

    trip = models.ForeignKey(Trip, on_delete=models.CASCADE, related_name="items")
    #: Drawn before the thing is added, so that it is not added twice.
    key = models.CharField(max_length=24, unique=True, default=new_key, editable=False)
    name = models.CharField(max_length=60)
    group = models.CharField(max_length=8, choices=[(group, group) for group in GROUPS])
    quantity = models.PositiveSmallIntegerField(default=1)
    packed = models.BooleanField(default=False)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name
