"""Sockets of people who logged in under a secret key that is an older one by now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from channels import auth
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, login
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore

from djust.live_view import fallback_keys
from djust.live_view.fallback_keys import user_of
from djust.live_view.identity import still_logged_in


@pytest.fixture
def user(transactional_db: None) -> User:
    return User.objects.create_user("ada", password="one")


@pytest.fixture
def session(user: User, rf: Any, settings: Any) -> SessionStore:
    """A login under a key that is the older one afterwards."""
    settings.SECRET_KEY = "former"
    request = rf.get("/")
    request.session, request.user = SessionStore(), AnonymousUser()
    login(request, user)
    request.session.save()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "current", ["another", "former"]
    return SessionStore(request.session.session_key)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, session: SessionStore) -> Iterator[None]:
    monkeypatch.setattr(auth, "get_user", auth.get_user)
    fallback_keys.connect()
    return


async def test_channels_alone_would_end_the_session(session, settings):
    key = session.session_key
    assert isinstance(await auth.get_user({"session": session}), AnonymousUser)
    assert not await SessionStore().aexists(key)


@pytest.mark.usefixtures("connected")
async def test_the_socket_is_theirs_and_the_session_stays_as_it_is(session, user):
    key = session.session_key
    assert await auth.get_user({"session": session}) == user
    assert (session.session_key, session.modified) == (key, False)
    assert await SessionStore().aexists(key)


@pytest.mark.usefixtures("connected")
async def test_everybody_else_is_judged_by_channels(session, user):
    assert isinstance(await auth.get_user({"session": SessionStore()}), AnonymousUser)
    with pytest.raises(ValueError, match="session"):
        await auth.get_user({})
    user.set_password("two")
    await user.asave()
    assert isinstance(await auth.get_user({"session": session}), AnonymousUser)


def test_a_look_at_logins_leaves_the_session_alone(session, user):
    key = session.session_key
    assert still_logged_in(session, user) == user
    assert SessionStore().exists(key)
    user.set_password("two")
    user.save()
    assert still_logged_in(session, user) is None
    assert SessionStore().exists(key)


def test_what_is_no_login(session, user, settings):
    assert user_of(SessionStore()) is None
    session[BACKEND_SESSION_KEY] = "a.backend.that.is.gone"
    assert user_of(session) is None
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    assert user_of(session) == user
    session[HASH_SESSION_KEY] = ""
    assert user_of(session) is None
    user.is_active = False
    user.save()
    assert user_of(session) is None


def test_without_older_keys_nothing_is_changed(settings, monkeypatch):
    settings.SECRET_KEY_FALLBACKS = []
    monkeypatch.setattr(auth, "get_user", before := auth.get_user)
    fallback_keys.connect()
    assert auth.get_user is before
