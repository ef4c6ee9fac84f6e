"""Who may see and set what: a socket gets no further than the page that its browser was given."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory
from django.urls import path
from django.utils.module_loading import import_string

from djust import LiveView, event_handler
from djust.live_view import tokens
from djust.live_view.protocol import Close
from djust.live_view.request import SocketRequest
from djust.state_backend import set_backend
from tests.integration.live_support import Browser, Store, use_site

TEMPLATES = {
    "list.html": "<div dj-root>{{ shown }}</div>",
    "form.html": (
        '<div dj-root>{{ note|json_script:"note" }}<!-- {{ note|safe }} --><p title="{{ note }}">'
        "<input dj-model='name'><input dj-model.lazy=choice> {{ name }} {{ choice }}"
        "{% if asked %}<form method=post>{% csrf_token %}</form>{% endif %}</div>"
    ),
}


class List(LiveView):
    template_name = "list.html"
    secret = False

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.shown = "public"

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        self.shown = f"secret {uri}" if self.secret else f"public {uri}"

    @event_handler
    def patch(self, where: str) -> None:
        self.live_patch(path=where)


class Form(LiveView):
    template_name = "form.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.note = " dj-model='is_admin' <input dj-model='is_admin'>"
        self.is_admin = self.asked = False
        self.name = ""
        self.choice: str | None = None

    @event_handler
    def ask(self) -> None:
        self.asked = True

    @event_handler
    def keep(self) -> None:
        self.cards = {"canary-4111": {"canary-name": object()}}

    @event_handler
    def order(self) -> None:
        self.request.session["orders"] = self.request.session.get("orders", 0) + 1

    @event_handler
    def order_in_vain(self) -> None:
        self.order()
        raise RuntimeError("It was to be expected.")

    @event_handler
    def order_what_cannot_be_shown(self) -> None:
        self.order()
        self.note = object()


def post(request: HttpRequest) -> HttpResponse:
    return HttpResponse("posted")


only_staff = user_passes_test(lambda user: user.is_staff)
plain = List.as_view()
urlpatterns = [
    path("list/", plain),
    path("list/<int:number>/", plain),
    path("decorated/", only_staff(plain)),
    path("configured/", only_staff(List.as_view(secret=True))),
    path("guarded-by-its-path/", plain),
    path("other-view/", Form.as_view()),
    path("form/", Form.as_view()),
    path("post/", post),
]

ELSEWHERE = ["/decorated/", "/configured/", "/guarded-by-its-path/", "/other-view/", "/list/1/", "/none/"]


@pytest.fixture(autouse=True)
def store(settings: Any) -> Any:
    use_site(settings, __name__, TEMPLATES)
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    store = Store()
    set_backend(store)
    yield store
    set_backend(None)
    cache.clear()


@pytest.mark.parametrize("uri", ELSEWHERE)
async def test_an_address_with_other_guards_is_asked_for_over_http(store: Store, uri: str) -> None:
    browser = await Browser.joined("/list/")
    await browser.send(t="url", n=1, uri=uri)
    assert await browser.answer() == {"t": "moved", "n": 1, "uri": uri}
    await browser.send(t="url", n=1, uri="/list/?page=2")
    assert (await browser.answer())["t"] == "update"
    await browser.lose()
    await browser.connect()
    assert (await browser.join())["html"] == "public /list/?page=2"
    await browser.lose()


@pytest.mark.parametrize("uri", ELSEWHERE)
async def test_a_patch_that_leads_there_fetches_it(store: Store, uri: str) -> None:
    browser = await Browser.joined("/list/")
    answer = await browser.event(1, "patch", uri)
    assert (answer["nav"]["kind"], answer["nav"]["url"]) == ("redirect", uri)
    session = store.get(browser.key)
    assert session is not None
    assert session.state["_live"]["uri"] == "/list/"
    await browser.lose()


async def test_text_that_looks_like_a_field_binds_nothing() -> None:
    browser = await Browser.joined("/form/")
    for number, field in enumerate(("name", "choice"), 1):
        await browser.send(t="model", n=number, field=field, value="typed")
        assert (await browser.answer())["t"] == "update"
    await browser.send(t="model", n=3, field="is_admin", value=True)
    assert (await browser.answer())["code"] == Close.NOT_BINDABLE
    await browser.lose()


@pytest.mark.parametrize("value", [{}, {"a": "b"}, [], ["a", ["b"]]])
async def test_a_field_without_a_value_takes_no_structure(value: Any) -> None:
    browser = await Browser.joined("/form/")
    await browser.send(t="model", n=1, field="choice", value=value)
    answer = await browser.answer()
    assert (answer["t"], answer["message"]) == ("error", "choice must be text, a number or true or false.")
    await browser.lose()


@pytest.mark.parametrize("cookie", ["csrftoken", "another"])
async def test_a_form_that_an_event_shows_can_be_posted(settings: Any, cookie: str) -> None:
    settings.CSRF_COOKIE_NAME = cookie
    client = AsyncClient(enforce_csrf_checks=True)
    browser = await Browser.joined("/form/", client)
    await browser.event(1, "ask")
    await browser.lose()
    assert SocketRequest(browser.scope, "/").META["CSRF_COOKIE"] == client.cookies[cookie].value
    # What the handshake of a page reached by navigation knows: no cookie of the answer that brought it.
    browser.scope["cookies"] = {tokens.VISITOR_COOKIE: browser.scope["cookies"][tokens.VISITOR_COOKIE]}
    await browser.connect()
    html = (await browser.join())["html"]
    await browser.lose()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
    assert found is not None
    refused = await client.post("/post/", {"csrfmiddlewaretoken": "a" * 64})
    posted = await client.post("/post/", {"csrfmiddlewaretoken": found[1]})
    assert (refused.status_code, posted.status_code) == (403, 200)


async def test_a_handler_puts_nothing_old_into_the_session_of_django() -> None:
    session = SessionStore()
    session["cart"] = "old"
    session.create()
    client = AsyncClient()
    client.cookies["sessionid"] = session.session_key
    browser = await Browser.joined("/form/", client, session=session)

    def over_http(cart: str) -> None:
        other = SessionStore(session.session_key)
        other["cart"] = cart
        other.save()

    for number, (cart, name, orders) in enumerate(
        [
            ("new", "order", 1),
            ("newer", "order_in_vain", 1),
            ("newest", "ask", 1),
            ("last", "order", 2),
            ("a", "order_what_cannot_be_shown", 2),
        ],
        1,
    ):
        over_http(cart)
        await browser.event(number, name)
        assert dict(SessionStore(session.session_key).items()) == {"cart": cart, "orders": orders}
    await browser.lose()


async def test_what_cannot_be_stored_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    browser = await Browser.joined("/form/")
    with caplog.at_level(logging.DEBUG, "djust"):
        assert (await browser.event(1, "keep"))["t"] == "error"
    assert "live_state_not_stored" in caplog.text
    assert "Form.cards[...][...]" in caplog.text
    assert "canary" not in caplog.text
    await browser.lose()


@pytest.mark.parametrize("user", [AnonymousUser(), User(pk=7)], ids=["visitor", "user"])
def test_a_session_that_lives_in_its_cookie_may_change(settings: Any, rf: RequestFactory, user: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    request: Any = rf.get("/")
    request.session, request.user = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(), user
    request.session["a"] = 1
    request.session.save()
    visitor, is_new = tokens.visitor_of(request)
    assert is_new
    token = tokens.issue("key", "a.View", request, visitor)
    request.COOKIES[tokens.VISITOR_COOKIE] = visitor
    request.session["a"] = 2
    request.session.save()
    assert tokens.read(token, request).key == "key"
