"""The pages. Each change says which version of the list it was made on, so two tabs cannot undo each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from djust.exceptions import SessionGone, VersionConflict
from djust.state_backend import Session
from packing import lists, visitors
from packing.forms import AddForm, ChangeForm, ItemForm, PackForm, StartForm
from packing.trouble import explains_trouble

Change = Callable[[dict[str, Any], dict[str, Any]], bool]


@require_GET
@never_cache
@explains_trouble
async def show(request: HttpRequest) -> HttpResponse:
    """Show the visitor's list, or offer to start one."""
    session = await visitors.load(request)
    if session is None:
        if not visitors.was_here(request):
            return _start_page(request)
        response = _start_page(request, notice="forgotten")
        response.delete_cookie(visitors.COOKIE, samesite="Lax")
        return response
    return _list_page(request, session)


@require_POST
@explains_trouble
async def start(request: HttpRequest) -> HttpResponse:
    """Make a list for a trip."""
    form = StartForm(request.POST)
    if not form.is_valid():
        return _start_page(request, form=form, status=422)
    session = await visitors.create(request, lists.new_list(**form.cleaned_data))
    response = redirect("packing:show")
    visitors.remember(response, session)
    return response


@require_POST
@explains_trouble
async def pack(request: HttpRequest) -> HttpResponse:
    """Tick a thing or take the tick away."""
    return await _change(
        request,
        PackForm(request.POST),
        lambda state, data: lists.set_packed(state, data["item"], packed=data["packed"]),
    )


@require_POST
@explains_trouble
async def add(request: HttpRequest) -> HttpResponse:
    """Put one more thing on the list."""
    return await _change(
        request, AddForm(request.POST), lambda state, data: lists.add_item(state, data["name"], data["group"])
    )


@require_POST
@explains_trouble
async def remove(request: HttpRequest) -> HttpResponse:
    """Take a thing off the list."""
    return await _change(request, ItemForm(request.POST), lambda state, data: lists.remove_item(state, data["item"]))


@require_POST
@explains_trouble
async def discard(request: HttpRequest) -> HttpResponse:
    """Throw the list away."""
    await visitors.forget(request)
    response = redirect("packing:show")
    response.delete_cookie(visitors.COOKIE, samesite="Lax")
    return response


async def _change(request: HttpRequest, form: ChangeForm, change: Change) -> HttpResponse:
    session = await visitors.load(request)
    if session is None:
        return _start_page(request, notice="expired", status=410)
    if not form.is_valid():
        return _list_page(request, session, notice="invalid", status=422)
    seen = form.cleaned_data["version"]
    try:
        if session.version != seen:
            raise VersionConflict
        if not change(session.state, form.cleaned_data):
            return _list_page(request, session, notice="impossible", status=422)
        await visitors.save(request, session, seen)
    except VersionConflict:
        return await _conflict(request)
    except SessionGone:
        return _start_page(request, notice="expired", status=410)
    return redirect("packing:show")


async def _conflict(request: HttpRequest) -> HttpResponse:
    """Show what the other tab made of the list, and offer to make the change on that."""
    session = await visitors.load(request)
    if session is None:
        return _start_page(request, notice="expired", status=410)
    again = {name: value for name, value in request.POST.items() if name not in ("version", "csrfmiddlewaretoken")}
    return _list_page(request, session, notice="conflict", again=again, status=409)


def _start_page(
    request: HttpRequest, *, form: StartForm | None = None, notice: str = "", status: int = 200
) -> HttpResponse:
    return render(request, "packing/start.html", {"form": form or StartForm(), "notice": notice}, status=status)


def _list_page(
    request: HttpRequest,
    session: Session,
    *,
    notice: str = "",
    again: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    packed, total = lists.progress(session.state["items"])
    context = {
        "session": session,
        "trip": session.state,
        "kind": lists.KINDS[session.state["kind"]],
        "groups": [(group, items, lists.progress(items)) for group, items in lists.grouped(session.state)],
        "group_names": lists.GROUPS,
        "packed": packed,
        "total": total,
        "percent": round(100 * packed / total) if total else 0,
        "notice": notice,
        "again": again or {},
    }
    return render(request, "packing/list.html", context, status=status)
