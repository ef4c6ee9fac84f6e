"""The sessions of LiveViews in Django admin, and the sockets that end with them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, override_settings
from django.urls import path

from djust import LiveView
from djust.admin.session_address import seal
from djust.live_view.protocol import Close
from djust.state_backend import StateBackend, get_backend
from djust.testing import LiveViewTestClient
from djust.testing.live_client import LiveClient
from tests.servers.redis_server import RedisServer
from tests.servers.uvicorn_server import UvicornServer

PAGE = (
    "{% load live_tags %}<html><head>{% djust_client_config %}</head><body dj-view='{{ dj_view_id }}'>"
    "<div dj-root>{{ basket|length }}</div></body></html>"
)


class Cart(LiveView):
    template_name = "cart.html"

    def mount(self, request: Any, **kwargs: Any) -> None:
        self.basket = [1, 2, 3]
        self.coupon = "sesame"


urlpatterns = [path("cart/", Cart.as_view()), path("admin/", admin.site.urls)]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": False,
        "OPTIONS": {
            "loaders": [
                ("django.template.loaders.locmem.Loader", {"cart.html": PAGE}),
                "django.template.loaders.app_directories.Loader",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]


@pytest.fixture(params=["redis", "memory"])
def store(request: pytest.FixtureRequest, key_prefix: str) -> Any:
    config: dict[str, Any] = {"STATE_BACKEND": "memory"}
    if request.param == "redis":
        redis7: RedisServer = request.getfixturevalue("redis7")
        config = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    with override_settings(DJUST_CONFIG=config, ROOT_URLCONF=__name__, TEMPLATES=TEMPLATES):
        yield get_backend()
        get_backend().delete_all()


def key_of_the_page(store: StateBackend) -> str:
    [info] = store.page_sessions().sessions
    return info.key


@pytest.mark.django_db
def test_the_fields_are_those_of_the_view(admin_client: Client, store: StateBackend) -> None:
    LiveViewTestClient().live("/cart/")
    text = admin_client.get(f"/admin/djust/livesession/session/{seal(key_of_the_page(store))}/").content.decode()
    fields = text.partition('<table class="djust-fields">')[2].partition("</table>")[0]
    assert re.findall(r"<code>(\w+)</code>", fields) == ["basket", "coupon"]
    assert "sesame" not in text
    assert "shape" not in text


@pytest.mark.django_db
def test_a_key_of_the_same_name_that_is_no_page_is_shown(admin_client: Client, store: StateBackend) -> None:
    store.set("mine", {"_live": {"channel": 1}, "count": 1})
    text = admin_client.get(f"/admin/djust/livesession/session/{seal('mine')}/").content.decode()
    assert "<code>_live</code>" in text
    assert "<code>channel</code>" in text


def end(browser: Client, what: str, name: str) -> None:
    """Press the button that ends a session or those of an owner, and the one that confirms it."""
    browser.post(f"/admin/djust/livesession/{what}/{seal(name)}/end/")


@pytest.mark.django_db
def test_what_is_ended_in_the_admin_is_closed_on_every_server(
    admin_client: Client, redis_server: Callable[..., RedisServer]
) -> None:
    redis = redis_server()
    site = "tests.live_site.asgi:application"
    environment = {"REDIS_URL": redis.url, "DJANGO_SETTINGS_MODULE": "tests.live_site.settings"}
    with (
        override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": redis.url}, ROOT_URLCONF=__name__),
        UvicornServer(site, env=environment) as first,
        UvicornServer(site, env=environment) as second,
        asyncio.Runner() as runner,
    ):
        store = get_backend()

        async def connect() -> list[LiveClient]:
            one = await LiveClient.open(first.url, "/")
            other = await LiveClient.open(second.url, "/")
            twin = await LiveClient.open(first.url, "/")
            await twin.reconnect(second.url)
            return [one, other, twin]

        one, other, twin = runner.run(connect())
        # Nobody is logged in on that site, so these get an owner here.
        keys = [info.key for info in store.page_sessions().sessions]
        for key in keys:
            session = store.get(key)
            assert session is not None
            store.set(key, session.state, owner="7", expected_version=session.version)
        end(admin_client, "session", keys[0])

        async def first_to_close() -> LiveClient:
            waiting = {asyncio.ensure_future(client.closed()): client for client in (one, other, twin)}
            done, left = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=30)
            for task in left:
                task.cancel()
            [task] = done
            return waiting[task]

        ended = runner.run(first_to_close())
        assert (ended.close_code, ended.close_reason) == (Close.GONE, "ended")
        end(admin_client, "owner", "7")
        for client in (one, other, twin):
            runner.run(asyncio.wait_for(client.closed(), 30))
            assert (client.close_code, client.close_reason) == (Close.GONE, "ended")
        assert store.get_stats()["total_sessions"] == 0
