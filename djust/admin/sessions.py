"""The live sessions: a list from the store, one session without its values, and buttons that end them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from djust.admin.actions import log_action
from djust.admin.figures import EMPTY, number
from djust.admin.readonly import ReadOnly
from djust.admin.session_address import seal, unseal
from djust.admin.session_fields import describe
from djust.admin.session_search import By, find_hash, is_hash, list_sessions, measure
from djust.admin.times import ago, exact
from djust.exceptions import BackendError, InvalidArgument
from djust.live_view.attributes import RUNTIME_KEY
from djust.live_view.stored import unpack
from djust.log import hashed
from djust.models import LiveSession
from djust.monitoring.wording import duration
from djust.state_backend.arguments import check_name
from djust.state_backend.base import StateBackend
from djust.state_backend.records import Session, SessionInfo
from djust.state_backend.registry import get_backend

END_PERMISSION = "djust.end_session"
END_OWNER_PERMISSION = "djust.end_owner_sessions"

#: How much of a name a list shows, in characters.
SHORT_KEY = 12
SHORT_NAME = 60

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[LiveSession]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(LiveSession)
class LiveSessionAdmin(ReadOnly, _ModelAdmin):
    """Asks the store: there is no table behind these pages, so none of Django's own views is used."""

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the list, of a session, and of the pages that ask before they end something."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.changelist_view), name="djust_livesession_changelist"),
            path("session/<str:segment>/", view(self.session_view), name="djust_livesession_session"),
            path("session/<str:segment>/end/", view(self.end_view), name="djust_livesession_end"),
            path("owner/<str:segment>/end/", view(self.end_owner_view), name="djust_livesession_end_owner"),
        ]

    # Looking

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of the list. A search arrives by POST, so that a key that is looked for is in no address."""
        self._check_may(request)
        if request.method == "POST":
            return self._search(request)
        by, text = request.GET.get("by", ""), request.GET.get("q", "")
        context: dict[str, Any] = {"by": by if by in By.values else By.OWNER, "q": text, **(extra_context or {})}
        status = 200
        try:
            backend = get_backend()
            if by == By.HASH and text:
                found = self._hash_context(request, backend, text)
                if isinstance(found, HttpResponse):
                    return found
                context |= found
            else:
                context |= self._list_context(request, backend, by, text)
        except (BackendError, InvalidArgument) as error:
            context["error"] = str(error)
            status = 400 if isinstance(error, InvalidArgument) else 503
        return self._page(request, "list", context, status)

    def session_view(self, request: HttpRequest, segment: str) -> HttpResponse:
        """Show one session: what is known about it, and its fields without their values."""
        self._check_may(request)
        key = _unsealed(segment)
        context: dict[str, Any] = {"hash": hashed(key), "key": printable(key), "by": By.KEY, "end": ""}
        status = 200
        try:
            backend = get_backend()
            session = backend.get(key)
            [size], why = measure(backend, [key])
        except BackendError as error:
            context["error"] = str(error)
            return self._page(request, "session", context, 503)
        if session is not None:
            context["facts"] = _facts(session, size, why, datetime.now(UTC))
            context["fields"] = list(describe(_own_fields(session.state)))
        elif size is not None:
            context["unreadable"] = True
        else:
            context["over"] = True
            status = 404
        if status == 200 and request.user.has_perm(END_PERMISSION):
            context["end"] = self._url("end", segment)
        if session is not None and session.owner is not None:
            context |= self._owner_links(request, session.owner)
        return self._page(request, "session", context, status)

    # Ending

    def end_view(self, request: HttpRequest, segment: str) -> HttpResponse:
        """Ask whether to end a session; after a POST, end it."""
        self._check_may(request, END_PERMISSION)
        key = _unsealed(segment)
        name = hashed(key)
        if request.method in ("GET", "HEAD"):
            context = {"hash": name, "key": printable(key), "back": self._url("session", segment)}
            return self._page(request, "end", context)
        if request.method != "POST":
            return HttpResponseNotAllowed(["GET", "POST"])
        try:
            lived = get_backend().delete(key)
        except BackendError as error:
            self._failed(request, _("Tried to end session %(hash)s: %(error)s"), name, error)
        else:
            if lived:
                text = _("Ended session %(hash)s.") % {"hash": name}
                log_action(request, LiveSession, text, DELETION)
                self.message_user(request, text, messages.SUCCESS)
            else:
                text = _("Session %(hash)s was over already.") % {"hash": name}
                self.message_user(request, text, messages.WARNING)
        return HttpResponseRedirect(self._url("changelist"))

    def end_owner_view(self, request: HttpRequest, segment: str) -> HttpResponse:
        """Ask whether to end every session of an owner; after a POST, end them."""
        self._check_may(request, END_OWNER_PERMISSION)
        owner = _unsealed(segment)
        if request.method in ("GET", "HEAD"):
            return self._ask_for_owner(request, owner)
        if request.method != "POST":
            return HttpResponseNotAllowed(["GET", "POST"])
        name = hashed(owner)
        try:
            count = get_backend().delete_owner(owner)
        except BackendError as error:
            self._failed(request, _("Tried to end every session of owner %(hash)s: %(error)s"), name, error)
        else:
            text = ngettext(
                "Ended %(count)s session of owner %(hash)s.", "Ended %(count)s sessions of owner %(hash)s.", count
            ) % {"count": number(count), "hash": name}
            log_action(request, LiveSession, text, DELETION)
            self.message_user(request, text, messages.SUCCESS if count else messages.WARNING)
        return HttpResponseRedirect(self._url("changelist"))

    # Inside

    def _check_may(self, request: HttpRequest, permission: str | None = None) -> None:
        if not self.has_view_permission(request) or (permission and not request.user.has_perm(permission)):
            raise PermissionDenied

    def _search(self, request: HttpRequest) -> HttpResponse:
        """Lead from the search form to the page that shows what was asked for."""
        by, text = request.POST.get("by", ""), request.POST.get("q", "")
        if by == By.HASH:
            text = text.strip().lower()
        if by not in By.values or not text:
            return HttpResponseRedirect(self._url("changelist"))
        if by == By.KEY:
            try:
                return HttpResponseRedirect(self._url("session", seal(check_name("key", text))))
            except InvalidArgument as error:
                self.message_user(request, str(error), messages.ERROR)
                return HttpResponseRedirect(self._url("changelist"))
        return HttpResponseRedirect(self._list_url(by=by, q=text))

    def _list_context(self, request: HttpRequest, backend: StateBackend, by: str, text: str) -> dict[str, Any]:
        narrowed = {by: text} if by in (By.OWNER, By.LABEL) and text else {}
        cursor = request.GET.get("cursor") or None
        page = list_sessions(backend, cursor, owner=narrowed.get(By.OWNER), label=narrowed.get(By.LABEL))
        sizes, why = measure(backend, [info.key for info in page.sessions])
        context: dict[str, Any] = {
            "rows": list(self._rows(page.sessions, sizes, datetime.now(UTC))),
            "sizes_unavailable": why,
            "narrowed": bool(narrowed),
            "looked_at": number(page.looked_at),
            "process_local": backend.process_local,
            "first": self._list_url(by=by, q=text) if cursor else "",
            "next": self._list_url(by=by, q=text, cursor=page.cursor) if page.cursor else "",
        }
        if not narrowed and cursor is None:
            context["total"] = number(backend.get_stats()["total_sessions"])
        if By.OWNER in narrowed:
            context |= self._owner_links(request, text)
        return context

    def _hash_context(self, request: HttpRequest, backend: StateBackend, text: str) -> dict[str, Any] | HttpResponse:
        """Return what to show of a search by hash, or the way to the session that was found."""
        if not is_hash(text):
            raise InvalidArgument(_("A hash from the log has 16 digits and small letters from a to f."))
        walk = find_hash(backend, text, request.GET.get("cursor") or None)
        if walk.found is not None:
            return HttpResponseRedirect(self._url("session", seal(walk.found.key)))
        before = request.GET.get("looked", "")
        looked_at = walk.looked_at + (int(before) if before.isdecimal() and len(before) < 16 else 0)
        go_on = self._list_url(by=By.HASH, q=text, cursor=walk.cursor, looked=looked_at) if walk.cursor else ""
        return {"walked": number(looked_at), "go_on": go_on, "process_local": backend.process_local}

    def _rows(
        self, sessions: Sequence[SessionInfo], sizes: Sequence[int | None], now: datetime
    ) -> Iterator[dict[str, Any]]:
        for info, size in zip(sessions, sizes, strict=True):
            yield {
                "hash": hashed(info.key),
                "url": self._url("session", seal(info.key)),
                "key": _shortened(info.key, SHORT_KEY),
                "owner": _shortened(info.owner, SHORT_NAME),
                "owner_url": self._list_url(by=By.OWNER, q=info.owner) if info.owner else "",
                "label": _breakable(_shortened(info.label, SHORT_NAME)),
                "age": duration((now - info.created_at).total_seconds()),
                "active": ago(min(info.last_active_at, now), now),
                "expires": ago(info.expires_at, now) if info.expires_at else _("never"),
                "size": EMPTY if size is None else filesizeformat(size),
            }

    def _owner_links(self, request: HttpRequest, owner: str) -> dict[str, Any]:
        may_end = request.user.has_perm(END_OWNER_PERMISSION)
        return {
            "owner": printable(owner),
            "owner_url": self._list_url(by=By.OWNER, q=owner),
            "end_owner": self._url("end_owner", seal(owner)) if may_end else "",
        }

    def _ask_for_owner(self, request: HttpRequest, owner: str) -> HttpResponse:
        context: dict[str, Any] = {
            "hash": hashed(owner),
            "owner": printable(owner),
            "back": self._list_url(by=By.OWNER, q=owner),
        }
        try:
            page = list_sessions(get_backend(), owner=owner)
        except BackendError as error:
            return self._page(request, "end", {**context, "error": str(error)}, 503)
        context["count"] = number(len(page.sessions))
        context["more"] = page.cursor is not None
        return self._page(request, "end", context)

    def _failed(self, request: HttpRequest, text: str, name: str, error: BackendError) -> None:
        """Say that nobody knows how much was ended."""
        text %= {"hash": name, "error": error}
        log_action(request, LiveSession, text, DELETION)
        self.message_user(request, text, messages.ERROR)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        request.current_app = self.admin_site.name
        everything = {
            **self.admin_site.each_context(request),
            "title": _("Live sessions"),
            "opts": self.opts,
            "list_url": self._url("changelist"),
            "kinds": By.choices,
            **context,
        }
        return TemplateResponse(request, f"admin/djust/livesession/{name}.html", everything, status=status)

    def _url(self, name: str, *args: str) -> str:
        return reverse(f"admin:djust_livesession_{name}", args=args, current_app=self.admin_site.name)

    def _list_url(self, **query: Any) -> str:
        return f"{self._url('changelist')}?{urlencode({name: value for name, value in query.items() if value})}"


def printable(text: str) -> str:
    """Return a text with what cannot be seen, or turns the direction of writing, as escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _shortened(text: str | None, length: int) -> str:
    if text is None:
        return EMPTY
    return printable(text if len(text) <= length else f"{text[:length]}…")


def _breakable(path: str) -> SafeString:
    """Return a dotted path that may go on in the next line after each dot."""
    return format_html_join(mark_safe(".<wbr>"), "{}", ((part,) for part in path.split(".")))


def _own_fields(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a state without what the runtime of LiveViews keeps beside the attributes of a view."""
    if unpack(state) is None:
        return state
    return {name: value for name, value in state.items() if name != RUNTIME_KEY}


def _unsealed(segment: str) -> str:
    name = unseal(segment)
    if not name:
        raise Http404
    return name


def _facts(session: Session, size: int | None, why: str, now: datetime) -> list[tuple[str, str | SafeString]]:
    def moment(at: datetime) -> SafeString:
        return format_html("{} ({})", exact(at), ago(at, now))

    return [
        (_("owner"), EMPTY if session.owner is None else printable(session.owner)),
        (_("label"), EMPTY if session.label is None else printable(session.label)),
        (_("created"), moment(min(session.created_at, now))),
        (_("last active"), moment(min(session.last_active_at, now))),
        (_("expires"), _("never") if session.expires_at is None else moment(session.expires_at)),
        (_("idles out after"), _("never") if session.ttl is None else duration(session.ttl.total_seconds())),
        (_("size"), (_("unavailable: %s") % why if why else EMPTY) if size is None else filesizeformat(size)),
        (_("version"), str(session.version)),
    ]
