"""Addresses with letters that a link has to escape, and those that lead away from the site."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from django.test import override_settings
from django.urls import path, reverse, reverse_lazy

from djust import LiveView, event_handler
from djust.exceptions import InvalidArgument
from djust.live_view.errors import Refused
from djust.live_view.protocol import Close, dump
from djust.testing import LiveViewTestClient

PAGE = (
    "{% load live_tags %}<html><head>{% djust_client_config %}</head><body>"
    "<div dj-root>{{ name }} {{ query }} {{ request.path }}</div></body></html>"
)


class Place(LiveView):
    template_name = "place.html"

    def mount(self, request: Any, name: str = "", **kwargs: Any) -> None:
        self.name = name
        self.query = ""

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        self.query = params.get("q", "")
        self.uri = uri

    @event_handler
    def ask(self, text: str) -> None:
        self.live_patch({"q": text})

    @event_handler
    def name_again(self) -> None:
        self.name = self.kwargs["name"]

    @event_handler
    def go(self, to: str) -> None:
        self.live_redirect(to)


urlpatterns = [
    path("straße/<str:name>/", Place.as_view(), name="place"),
    path("other/", Place.as_view(), name="other"),
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"place.html": PAGE})],
            "context_processors": ["django.template.context_processors.request"],
        },
    }
]


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    with override_settings(
        ROOT_URLCONF=__name__, TEMPLATES=TEMPLATES, MIDDLEWARE=[], DJUST_CONFIG={"STATE_BACKEND": "memory"}
    ):
        yield


@pytest.mark.parametrize("name", ["a", "a b", "é", "100%", "%41", "a?b", "a#b", "😀", "a;b=c&d", "a\\b"])
def test_an_escaped_address_leads_to_the_same_page(name: str) -> None:
    address = reverse("place", args=[name])
    page = LiveViewTestClient().live(address)
    assert page.state["name"] == name
    page.event("name_again")
    assert page.state["name"] == name
    page.event("ask", "é & =?")
    assert page.state["query"] == "é & =?"
    assert page.navigation is not None
    assert unquote(page.navigation.url.partition("?")[0]) == unquote(address)
    page.event("name_again").patch(f"{address}?q=%C3%BC").event("name_again")
    assert (page.state["name"], page.state["query"]) == (name, "ü")


@pytest.mark.parametrize(
    ("to", "url"),
    [
        ("/other/", "/other/"),
        ("/other/?a=b%20c&d=é", "/other/?a=b%20c&d=%C3%A9"),
        ("/straße/a b/", "/stra%C3%9Fe/a%20b/"),
        ("/stra%C3%9Fe/a%20b/", "/stra%C3%9Fe/a%20b/"),
        ("/other/#there", "/other/"),
        ("/other/?next=//evil.example", "/other/?next=//evil.example"),
    ],
)
def test_a_redirect_is_escaped_as_a_link(to: str, url: str) -> None:
    page = LiveViewTestClient().live("/other/").event("go", to)
    assert page.navigation is not None
    assert page.navigation.url == url


def test_a_redirect_may_be_lazy() -> None:
    view = Place()
    view.request = SimpleNamespace(path="/other/")  # type: ignore[assignment]
    view.live_redirect(reverse_lazy("other"))
    assert view.djust.navigation is not None
    assert view.djust.navigation.url == "/other/"


@pytest.mark.parametrize(
    "to",
    [
        *("//evil.example", "////evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example"),
        *("https://evil.example", "javascript:alert(1)", "evil", "?a=b/../", "\n//evil.example", "///\\evil.example"),
    ],
)
def test_a_redirect_that_leaves_the_site_is_refused(to: str) -> None:
    page = LiveViewTestClient().live("/other/")
    try:
        page.event("go", to)
    except InvalidArgument as error:
        assert "stay on this site" in str(error)  # noqa: PT017 - some of them are made harmless instead
    else:
        assert page.navigation is not None
        assert page.navigation.url.startswith(("/other/", "/evil"))


@pytest.mark.parametrize(
    "uri", ["//evil.example", "/\\evil.example", "https://evil.example/", "", "other/", "?a=b", "\0"]
)
def test_a_page_cannot_say_that_it_is_elsewhere(uri: str) -> None:
    page = LiveViewTestClient().live("/other/")
    with pytest.raises(Refused) as caught:
        page.patch(uri)
    assert caught.value.code == Close.MALFORMED


# What is pushed to the browser


def pushed(payload: Any) -> list[list[Any]]:
    view = Place()
    view.push_event("event", payload)
    return view.djust.take_pushed()


def test_what_json_can_say_is_pushed() -> None:
    payload = {"day": date(2030, 1, 2), "price": Decimal("1.10"), "rows": [1, None, "ü", {"a": True}]}
    assert dump({"events": pushed(payload)}) == (
        '{"events":[["event",{"day":"2030-01-02","price":"1.10","rows":[1,null,"ü",{"a":true}]}]]}'
    )
    assert pushed(None) == [["event", {}]]


ITSELF: list[Any] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize("payload", [object(), {1, 2}, b"a", float("nan"), float("inf"), {(1, 2): 3}, ITSELF])
def test_what_json_cannot_say_is_refused_where_it_is_pushed(payload: Any) -> None:
    with pytest.raises(InvalidArgument, match="push_event carries what JSON can say"):
        pushed(payload)
