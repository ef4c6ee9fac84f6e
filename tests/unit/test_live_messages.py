"""Django's messages on pages of LiveViews: shown until the next event, and carried along by redirects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import messages
from django.test import override_settings
from django.urls import path
from django.utils.safestring import mark_safe

from djust import LiveView, event_handler
from djust.live_view.carried import CARRIED_HEADER
from djust.live_view.request import MOST_MESSAGES
from djust.testing import LiveViewTestClient

pytestmark = pytest.mark.django_db

SHOWN = "{% for message in messages %}<p class='{{ message.tags }}'>{{ message }}</p>{% endfor %}"
HEAD = "{% load live_tags %}<html><head>{% djust_client_config %}</head><body>"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.locmem.Loader",
                    {
                        "inside.html": HEAD + "<div dj-root>{{ count }}" + SHOWN + "</div></body></html>",
                        "nowhere.html": HEAD + "<div dj-root>{{ count }}</div></body></html>",
                    },
                )
            ],
            "context_processors": ["django.contrib.messages.context_processors.messages"],
        },
    }
]


class Inside(LiveView):
    template_name = "inside.html"

    def mount(self, request: Any, **kwargs: Any) -> None:
        self.count = 0
        self.subscribe("news")
        if "welcome" in request.GET:
            messages.info(request, "Welcome", extra_tags="big")

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.count += 100
        if message:
            messages.warning(self.request, message)

    @event_handler
    def add(self) -> None:
        self.count += 1

    @event_handler
    def save(self) -> None:
        messages.success(self.request, "Saved <b>")
        messages.success(self.request, mark_safe("Saved <i>"))

    @event_handler
    def go(self) -> None:
        self.save()
        self.live_redirect("/inside/")

    @event_handler
    def turn(self) -> None:
        self.save()
        self.live_patch({"page": 2})


class Nowhere(Inside):
    template_name = "nowhere.html"


urlpatterns = [path("inside/", Inside.as_view()), path("nowhere/", Nowhere.as_view())]


@pytest.fixture(autouse=True)
def site() -> Iterator[None]:
    with override_settings(ROOT_URLCONF=__name__, TEMPLATES=TEMPLATES):
        yield


@pytest.fixture
def client() -> LiveViewTestClient:
    return LiveViewTestClient()


WELCOME = "<p class='big info'>Welcome</p>"
SAVED = "<p class='success'>Saved &lt;b&gt;</p><p class='success'>Saved <i></p>"


def test_what_the_page_came_with_stays_until_the_first_event(client: LiveViewTestClient) -> None:
    page = client.live("/inside/?welcome=1")
    assert WELCOME in page.response.content.decode()
    assert page.html == f"0{WELCOME}"
    assert page.hear("news").html == f"100{WELCOME}"
    assert page.event("add").html == "101"
    assert page.hear("news").html == "201"


def test_what_an_event_adds_stays_until_the_next_also_over_a_reconnect(client: LiveViewTestClient) -> None:
    page = client.live("/inside/?welcome=1").event("save")
    assert page.html == f"0{SAVED}"
    # Each look of the test client comes fresh from the store.
    assert page.hear("news").html == f"100{SAVED}"
    assert page.hear("news", "Late").html == f"200{SAVED}<p class='warning'>Late</p>"
    assert page.event("turn").html == f"200{SAVED}"
    assert page.event("add").html == "201"


def test_a_page_that_only_hears_does_not_fill_up(client: LiveViewTestClient) -> None:
    page = client.live("/inside/")
    for number in range(MOST_MESSAGES + 5):
        page.hear("news", f"No. {number}")
    page.hear("news")
    assert page.html.count("<p") == MOST_MESSAGES
    assert f"No. {MOST_MESSAGES + 4}<" in page.html


def update_of(page: Any, name: str) -> dict[str, Any]:
    """Return what a browser is sent for an event."""
    loaded = page._load()
    assert loaded.work(loaded.steps({"t": "event", "name": name})) is None
    update: dict[str, Any] = loaded.render()
    return update


@pytest.mark.parametrize("where", ["/inside/", "/nowhere/"])
def test_a_redirect_carries_them_to_the_next_page(client: LiveViewTestClient, where: str) -> None:
    update = update_of(client.live(where), "go")
    assert update["splices"] == []
    carried = update["nav"]["messages"]
    assert client.live("/inside/", headers={CARRIED_HEADER: carried}).html == f"0{SAVED}"
    assert client.live("/inside/").html == "0"


def test_where_no_template_shows_them_they_wait(client: LiveViewTestClient) -> None:
    page = client.live("/nowhere/?welcome=1")
    assert page.event("save").html == "0"
    assert client.live("/inside/").html == f"0{WELCOME}"
