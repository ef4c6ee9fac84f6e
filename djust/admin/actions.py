"""What every button of these pages does besides its work: ask for the right, write to the admin's log, go back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme

P = ParamSpec("P")
Page = TypeVar("Page")
_View = Callable[Concatenate[Page, HttpRequest, P], HttpResponse]

#: The field of a form that says where the person came from.
NEXT = "next"


def only_post(permission: str) -> Callable[[_View[Page, P]], _View[Page, P]]:
    """Let a view of a ``ModelAdmin`` be reached by POST only, and by those who hold a permission."""

    def decorate(view: _View[Page, P]) -> _View[Page, P]:
        @wraps(view)
        def guarded(page: Page, request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(page, request, *args, **kwargs)

        return guarded

    return decorate


def log_action(request: HttpRequest, of: Model | type[Model], text: str, flag: int = CHANGE) -> None:
    """Write to the admin's log of recent actions.

    Args:
        request: Of the person who acted.
        of: The row that was acted on, or the model where there is none yet.
        text: What was done.
        flag: One of Django's ``ADDITION``, ``CHANGE`` and ``DELETION``.
    """
    entry = LogEntry(object_repr=text[:200], action_flag=flag, change_message=text)
    entry.user_id = request.user.pk or 0
    entry.content_type = ContentType.objects.get_for_model(of)
    if isinstance(of, Model):
        entry.object_id, entry.object_repr = str(of.pk), str(of)[:200]
    entry.save()


def go_back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """Return to the page of this site that the form was on, or to another if it does not say."""
    target = request.POST.get(NEXT, "")
    here = {request.get_host()}
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=here, require_https=request.is_secure()):
        target = otherwise
    return HttpResponseRedirect(target)
