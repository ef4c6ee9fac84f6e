"""The test client for LiveViews, as the author of a project uses it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import path

from djust import LiveView, event_handler
from djust.exceptions import InvalidArgument
from djust.live_view.errors import InvalidEvent, Refused, ViewError
from djust.testing import LiveViewTestClient

pytestmark = pytest.mark.django_db

PAGE = (
    "{% load live_tags %}<html><head>{% djust_client_config %}</head><body dj-view='{{ dj_view_id }}'>"
    "<div dj-root><b>{{ count }}</b> {{ user }} <i>{{ doubled }}</i><input dj-model='name' value='{{ name }}'>"
    "{% for message in messages %}<p>{{ message }}</p>{% endfor %}</div></body></html>"
)


class Counter(LiveView):
    template_name = "counter.html"

    def mount(self, request: Any, start: int = 0, **kwargs: Any) -> None:
        self.count = start
        self.name = ""
        self.heard: list[Any] = []
        self.subscribe("news")

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        self.page = int(params.get("page", 1))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(doubled=2 * self.count, **kwargs)

    def handle_broadcast(self, topic: str, message: Any) -> None:
        self.heard.append(message)

    @event_handler
    def add(self, by: int = 1) -> None:
        self.count += by

    @event_handler()
    async def later(self) -> None:
        self.count += 100

    @event_handler
    def next_page(self) -> None:
        self.live_patch({"page": self.page + 1})
        self.push_event("turned", {"page": self.page})

    @event_handler
    def rename(self, name: str) -> None:
        self.name = name

    @event_handler
    def leave(self) -> None:
        self.live_redirect("/elsewhere/", {"from": "here"})

    @event_handler
    def keep_object(self) -> None:
        self.name = object()  # type: ignore[assignment]

    def no_handler(self) -> None:
        self.count = -1


urlpatterns = [path("counter/", Counter.as_view()), path("counter/<int:start>/", Counter.as_view())]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"counter.html": PAGE})],
            "context_processors": [
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]


@pytest.fixture
def client() -> Any:
    with override_settings(ROOT_URLCONF=__name__, TEMPLATES=TEMPLATES):
        yield LiveViewTestClient()


def test_events_change_state_and_page(client: LiveViewTestClient) -> None:
    page = client.live("/counter/")
    assert "<b>0</b>" in page.html
    assert "AnonymousUser" in page.html
    page.event("add").event("add", 5).event("add", by="7").event("later")
    assert page.state["count"] == 113
    assert "<b>113</b>" in page.html
    assert "<i>226</i>" in page.html


def test_a_parameter_called_name(client: LiveViewTestClient) -> None:
    assert client.live("/counter/").event("rename", name="Ada").state["name"] == "Ada"


def test_what_the_url_captured(client: LiveViewTestClient) -> None:
    page = client.live("/counter/41/").event("add")
    assert page.view.count == 42
    assert page.view.kwargs == {"start": 41}


def test_the_user(client: LiveViewTestClient) -> None:
    client.force_login(User.objects.create_user("ada"))
    assert "ada" in client.live("/counter/").event("add").html


def test_a_bound_field(client: LiveViewTestClient) -> None:
    assert 'value="Ada"' in client.live("/counter/").set("name", "Ada").html.replace("'", '"')
    with pytest.raises(Refused):
        client.live("/counter/").set("count", 9)


def test_the_address(client: LiveViewTestClient) -> None:
    page = client.live("/counter/?page=3")
    assert page.view.page == 3
    assert page.patch("/counter/?page=7").view.page == 7
    page.event("next_page")
    assert page.navigation is not None
    assert (page.view.page, page.navigation.url, page.pushed) == (8, "/counter/?page=8", [("turned", {"page": 7})])
    page.event("leave")
    assert page.navigation.url == "/elsewhere/?from=here"
    with pytest.raises(InvalidArgument, match="another view"):
        page.patch("/counter/5/")


def test_a_broadcast(client: LiveViewTestClient) -> None:
    page = client.live("/counter/").hear("news", {"a": 1}).hear("gossip", 2)
    assert page.state["heard"] == [{"a": 1}]


def test_what_is_wrong_is_said(client: LiveViewTestClient) -> None:
    page = client.live("/counter/")
    with pytest.raises(Refused):
        page.event("no_handler")
    with pytest.raises(InvalidEvent, match="add: by must be a whole number"):
        page.event("add", by="many")
    with pytest.raises(ViewError, match=r"Counter\.name: object cannot be stored"):
        page.event("keep_object")
    assert page.event("add").state["count"] == 1
    with pytest.raises(InvalidArgument, match="no LiveView"):
        client.live("/nowhere/")
