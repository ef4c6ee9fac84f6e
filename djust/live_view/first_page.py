"""The page as it is first asked for, over HTTP."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Mapping
from typing import Any, cast

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.utils.cache import add_never_cache_headers

from djust.conf import get_config
from djust.exceptions import BackendError, CodecError
from djust.live_view import tokens
from djust.live_view.attributes import explain, public_attributes, shape_of
from djust.live_view.carried import CARRIED_HEADER, carried_messages
from djust.live_view.errors import ViewError
from djust.live_view.rendering import find_root, render
from djust.live_view.request import shown_messages, unpacked
from djust.live_view.runtime import path_of
from djust.live_view.stored import PageRecord, pack
from djust.live_view.surroundings import surroundings_of
from djust.log import logger
from djust.state_backend.registry import get_backend


def respond(view: Any, request: HttpRequest, kwargs: Mapping[str, Any]) -> HttpResponse:
    """Mount a view and return its page. Its state waits in the store for the socket.

    While the store is away or full the page is shown all the same; its socket is told that there is no such page, and
    offers to ask for it again.

    Raises:
        ViewError: The view or its template is not written as it must be.
    """
    for flat in carried_messages(request.headers.get(CARRIED_HEADER)):
        carried = unpacked(flat)
        messages.add_message(
            request, carried.level, carried.message, extra_tags=carried.extra_tags, fail_silently=True
        )
    answer = _finished(view.mount(request, **kwargs))
    if isinstance(answer, HttpResponseBase):
        return cast(HttpResponse, answer)
    uri = request.get_full_path()
    if view.djust.navigation is None:
        _finished(view.handle_params(request.GET.dict(), uri))
    navigation = view.djust.take_navigation()
    if navigation is not None and navigation.url != uri:
        return HttpResponseRedirect(navigation.url)
    key = secrets.token_urlsafe(24)
    visitor, is_new = tokens.visitor_of(request)
    token = tokens.issue(key, path_of(type(view)), request, visitor)
    page = render(view, request, djust_page_token=token)
    find_root(page, view)
    if request.method != "HEAD":
        _store(view, key, request, uri)
    response = HttpResponse(page)
    add_never_cache_headers(response)
    if is_new:
        response.set_cookie(
            tokens.VISITOR_COOKIE, visitor, httponly=True, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    return response


def _store(view: Any, key: str, request: HttpRequest, uri: str) -> None:
    view_class: Any = type(view)
    record = PageRecord(
        shape=shape_of(view_class),
        uri=uri,
        topics=sorted(view.djust.topics),
        messages=shown_messages(getattr(request, "_messages", None)),
        csrf=_csrf_token(request),
        **surroundings_of(request),
    )
    attributes = public_attributes(view)
    try:
        get_backend().set(
            key,
            pack(attributes, record),
            ttl=get_config().page_ttl,
            owner=tokens.user_id(request) or None,
            label=path_of(type(view)),
            expected_version=0,
        )
    except CodecError as error:
        raise ViewError(explain(view, attributes)) from error
    except BackendError as error:
        logger.warning("live_page_not_stored", view=path_of(type(view)), error=str(error))


def _csrf_token(request: HttpRequest) -> str | None:
    """Return the CSRF token of the page, so that the forms that events show have it too."""
    if settings.CSRF_USE_SESSIONS and "CSRF_COOKIE" not in request.META:
        # Making one would make a session for everybody who only looks.
        return None
    return get_token(request)


def _finished(result: Any) -> Any:
    """Return the result of a method that may be asynchronous."""
    if not inspect.isawaitable(result):
        return result

    async def wait() -> Any:
        return await result

    return async_to_sync(wait)()
