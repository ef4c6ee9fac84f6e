"""Which pages may open a socket."""

from __future__ import annotations

from typing import Any

import pytest

from djust.live_view.origin import is_own


def scope(origin: str | None, host: str | None = "shop.example", scheme: str = "ws") -> dict[str, Any]:
    headers = [(b"origin", origin.encode("latin-1"))] if origin is not None else []
    headers += [(b"host", host.encode())] if host is not None else []
    return {"type": "websocket", "scheme": scheme, "path": "/ws/live/", "headers": headers, "query_string": b""}


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["shop.example", "[::1]", "127.0.0.1"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.partner.example", "https://other.example:8443"]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://shop.example", "shop.example"),
        ("https://shop.example", "shop.example"),
        ("https://SHOP.example", "shop.example"),
        ("http://shop.example:8000", "shop.example:8000"),
        ("http://shop.example:8000", "shop.example"),
        ("http://shop.example", "shop.example:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://127.0.0.1:1", "127.0.0.1"),
        ("https://a.partner.example", "shop.example"),
        ("https://a.b.partner.example", "shop.example"),
        ("https://other.example:8443", "shop.example"),
    ],
)
def test_pages_of_this_site_may(origin: str, host: str) -> None:
    assert is_own(scope(origin, host))


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://shop.example@evil.example",
        "https://evil.example/shop.example",
        "https://evil.example?https://shop.example",
        "https://evil.example#shop.example",
        "ftp://shop.example",
        "file://",
        "chrome-extension://shop.example",
        "javascript:shop.example",
        "shop.example",
        "//shop.example",
        "http://a.partner.example",
        "https://evilpartner.example",
        "https://other.example",
        "https://other.example:8444",
        "http://shop.example, https://evil.example",
        "http://127.0.0.1",
        "http://",
        "http://[",
        "http://[::1",
        "http://[zz]",
        "http://]",
        "http://shop.example]",
        "http://\xff",
        "http://shop.example\x00",
        "http://sh\x00op.example",
    ],
)
def test_other_pages_may_not(origin: str | None) -> None:
    assert not is_own(scope(origin))


@pytest.mark.parametrize("host", ["evil.example", "", "[", "shop.example:x", None])
def test_a_host_that_is_not_allowed_is_nobody(host: str | None) -> None:
    assert not is_own(scope(f"http://{host or 'shop.example'}", host))


def test_a_host_that_is_no_address_is_nobody(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    assert not is_own(scope("http://shop.example", "[1:2]"))


def test_headers_that_come_twice_do_not_help() -> None:
    handshake = scope("https://evil.example")
    handshake["headers"].append((b"origin", b"https://shop.example"))
    assert not is_own(handshake)
