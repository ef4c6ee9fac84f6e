"""A socket serves a page in the language and time zone, below the path and with the URLs of the page's request."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import timezone as offset
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix, path, reverse
from django.utils import timezone, translation
from django.utils.timezone import get_fixed_timezone

from djust import LiveView, event_handler
from djust.state_backend import set_backend
from tests.integration.live_support import Browser, Store, use_site

MONDAY = datetime(2030, 1, 7, 23, 30, tzinfo=UTC)
TEMPLATES = {"place.html": '<div dj-root>{{ said }} {{ time|date:"l H:i" }} {% url "place" %}</div>'}
OTHER_URLS = "tests.integration.urls_of_a_tenant"


def where() -> str:
    time = timezone.localtime(MONDAY)
    return f"{translation.get_language()} {time:%H:%M} {reverse('place')}"


class Place(LiveView):
    template_name = "place.html"

    def mount(self, request: HttpRequest, **kwargs: Any) -> None:
        self.time = MONDAY
        self.said = ""

    def handle_params(self, params: dict[str, str], uri: str) -> None:
        if "page" in params:
            self.said = where()

    @event_handler
    def say(self) -> None:
        self.said = where()

    @event_handler
    async def say_later(self) -> None:
        await asyncio.sleep(0)
        self.said = where()

    @event_handler
    def patch(self) -> None:
        self.live_patch({"page": 2})


urlpatterns = i18n_patterns(path("place/", Place.as_view(), name="place"))
tenant = ModuleType(OTHER_URLS)
tenant.urlpatterns = [path("tenant/", Place.as_view(), name="place")]  # type: ignore[attr-defined]

Respond = Callable[[HttpRequest], HttpResponse]


def tenant_middleware(get_response: Respond) -> Respond:
    """Choose the URLs as a site does that has one set for each of its hosts."""

    def respond(request: HttpRequest) -> HttpResponse:
        request.urlconf = OTHER_URLS
        return get_response(request)

    return respond


zones: dict[str, Any] = {"zone": None}


def zone_middleware(get_response: Respond) -> Respond:
    """Choose a time zone as a site does that asks its users."""

    def respond(request: HttpRequest) -> HttpResponse:
        with timezone.override(zones["zone"]):
            return get_response(request)

    return respond


@pytest.fixture(autouse=True)
def _site(settings: Any) -> Any:
    use_site(settings, __name__, TEMPLATES)
    settings.MIDDLEWARE = ["django.middleware.locale.LocaleMiddleware"]
    store = Store()
    set_backend(store)
    yield
    set_backend(None)
    assert get_script_prefix() == "/"


async def check(browser: Browser, said: str, shown: str) -> None:
    """Let a page that has joined say where it is, in every way in which a handler may be called."""
    await browser.connect()
    assert (await browser.join())["html"] == f" {shown}"
    before = translation.get_language(), get_script_prefix()
    for number, name in enumerate(("say", "say_later"), 1):
        assert (await browser.event(number, name))["n"] == number
    assert before == (translation.get_language(), get_script_prefix())
    await browser.lose()
    await browser.connect()
    assert (await browser.join())["html"] == f"{said} {shown}"
    nav = (await browser.event(3, "patch"))["nav"]
    uri = shown.rsplit(maxsplit=1)[-1]
    assert (nav["kind"], nav["url"]) == ("patch", f"{uri}?page=2")
    await browser.send(t="url", n=4, uri=uri)
    assert (await browser.answer())["t"] == "update"
    others = [other for other in ("/en/place/", "/de/place/", "/tenant/") if other != uri]
    for number, other in enumerate(others, 5):
        await browser.send(t="url", n=number, uri=other)
        assert (await browser.answer())["t"] == "moved"
    await browser.lose()


@pytest.mark.parametrize(("language", "day"), [("de", "Montag"), ("en", "Monday"), ("fr", "lundi")])
async def test_the_language_in_the_address(language: str, day: str) -> None:
    browser = await Browser.at(f"/{language}/place/")
    await check(browser, f"{language} 23:30 /{language}/place/", f"{day} 23:30 /{language}/place/")


async def test_pages_of_two_languages_at_once() -> None:
    german, french = await Browser.joined("/de/place/"), await Browser.joined("/fr/place/")
    for name in ("say", "say_later"):
        number = 1 + (name == "say_later")
        await german.send(t="event", n=number, name=name)
        await french.send(t="event", n=number, name=name)
    for browser, words in ((german, ("de", "/de/place/", "Montag")), (french, ("fr", "/fr/place/", "lundi"))):
        for _ in range(2):
            assert (await browser.answer())["t"] == "update"
        await browser.lose()
        await browser.connect()
        html = (await browser.join())["html"]
        assert all(word in html for word in words)
        await browser.lose()


@pytest.mark.parametrize(
    ("zone", "time"),
    [(ZoneInfo("Asia/Tokyo"), "08:30"), (get_fixed_timezone(-150), "21:00"), (offset(timedelta(hours=2)), "01:30")],
    ids=["name", "minutes", "offset"],
)
async def test_the_time_zone_that_a_middleware_chose(settings: Any, zone: Any, time: str) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.zone_middleware"]
    zones["zone"] = zone
    day = "Monday" if time > "20" else "Tuesday"
    browser = await Browser.at("/en/place/")
    await check(browser, f"en {time} /en/place/", f"{day} {time} /en/place/")


async def test_the_urls_that_a_middleware_chose(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, OTHER_URLS, tenant)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.tenant_middleware"]
    browser = await Browser.at("/tenant/")
    await check(browser, "en 23:30 /tenant/", "Monday 23:30 /tenant/")


@pytest.mark.parametrize("setting", [None, "/app"])
async def test_the_path_that_the_site_is_mounted_at(settings: Any, setting: str | None) -> None:
    settings.FORCE_SCRIPT_NAME = setting
    transport = httpx.ASGITransport(get_asgi_application(), root_path="" if setting else "/app")
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.get("/app/de/place/")
        browser = Browser(response.text, dict(client.cookies))
    await check(browser, "de 23:30 /app/de/place/", "Montag 23:30 /app/de/place/")
