"""When the servers hear of a logout: as soon as the Django session is over, and not before."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import alogin, alogout, login, logout
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.test import RequestFactory

from djust.exceptions import BackendUnavailable
from djust.live_view.tokens import login_digest
from djust.state_backend import InMemoryStateBackend, set_backend


class Store(InMemoryStateBackend):
    """Writes down what is published, and whether the session that it is about exists at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.key = ""
        self.told: list[tuple[str, bytes, bool]] = []

    def publish(self, topic: str, message: bytes) -> None:
        self.told.append((topic, message, SessionStore().exists(self.key)))


@pytest.fixture
def store() -> Any:
    store = Store()
    set_backend(store)
    yield store
    set_backend(None)


def visit(rf: RequestFactory) -> Any:
    request = rf.get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    return request


@pytest.mark.django_db(transaction=True)
def test_they_hear_of_it_when_the_session_is_over(store, rf):
    request = visit(rf)
    login(request, User.objects.create_user("ada"))
    request.session.save()
    store.key = request.session.session_key
    logout(request)
    assert store.told == [("logout", login_digest(store.key).encode(), False)]
    assert isinstance(request.user, AnonymousUser)


@pytest.mark.django_db(transaction=True)
def test_they_hear_of_it_when_the_transaction_is_committed(store, rf):
    request = visit(rf)
    login(request, User.objects.create_user("ada"))
    request.session.save()
    store.key = request.session.session_key
    with transaction.atomic():
        logout(request)
        assert store.told == []
    assert len(store.told) == 1


@pytest.mark.django_db(transaction=True)
async def test_they_hear_of_an_asynchronous_logout(store, rf):
    request = visit(rf)
    await alogin(request, await User.objects.acreate_user("ada"))
    await request.session.asave()
    store.key = request.session.session_key
    await alogout(request)
    assert store.told == [("logout", login_digest(store.key).encode(), False)]


@pytest.mark.django_db(transaction=True)
def test_a_store_that_is_away_keeps_nobody_from_logging_out(store, rf, monkeypatch):
    def away(topic: str, message: bytes) -> None:
        raise BackendUnavailable("It is away.")

    monkeypatch.setattr(store, "publish", away)
    request = visit(rf)
    login(request, User.objects.create_user("ada"))
    request.session.save()
    key = request.session.session_key
    logout(request)
    assert not SessionStore().exists(key)
