"""The token of a page: for one user, one view, one browser."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.core import signing

from djust.live_view import tokens
from djust.live_view.errors import Refused
from djust.live_view.protocol import Close


class Session(dict[str, Any]):
    def __init__(self, key: str) -> None:
        super().__init__()
        self.session_key = key


def request(session: str = "", user: int | None = None, visitor: str = "") -> Any:
    return SimpleNamespace(
        session=Session(session),
        user=SimpleNamespace(pk=user, is_authenticated=user is not None),
        COOKIES={tokens.VISITOR_COOKIE: visitor} if visitor else {},
    )


def issue(made_for: Any, visitor: str = "") -> str:
    return tokens.issue("key", "shop.views.Cart", made_for, visitor)


def code_of(text: Any, by: Any) -> int:
    with pytest.raises(Refused) as caught:
        tokens.read(text, by)
    return caught.value.code


@pytest.mark.parametrize("made_for", [request("s", 1), request("s"), request("s", 1, "v")])
def test_a_token_tells_its_browser_what_it_was_made_for(made_for: Any) -> None:
    found = tokens.read(issue(made_for), made_for)
    assert (found.key, found.view) == ("key", "shop.views.Cart")
    assert found.user == ("1" if made_for.user.is_authenticated else "")


def test_without_a_session_the_visitor_cookie_names_the_browser() -> None:
    number, is_new = tokens.visitor_of(request())
    assert is_new
    assert len(number) > 20
    assert tokens.visitor_of(request())[0] != number
    assert tokens.visitor_of(request(visitor=number)) == (number, False)
    assert tokens.visitor_of(request("s", visitor=number)) == (number, False)
    assert tokens.visitor_of(request("s")) == ("", False)
    text = issue(request(), number)
    assert tokens.read(text, request(visitor=number)).key == "key"
    # A session that began since is still that of this browser.
    assert tokens.read(text, request("s", visitor=number)).key == "key"
    # And a page of that session joins over a socket that was opened before it began.
    assert tokens.read(issue(request("s"), number), request(visitor=number)).key == "key"


def test_whoever_is_logged_in_is_known_by_the_session_alone() -> None:
    assert code_of(issue(request("s", 1, "v"), "v"), request("other", 1, "v")) == Close.TOKEN_REFUSED


@pytest.mark.parametrize(
    ("made_for", "by", "code"),
    [
        (request("s", 1), request("s", 2), Close.LOGGED_OUT),
        (request("s", 1), request("s"), Close.LOGGED_OUT),
        (request("s"), request("s", 1), Close.LOGGED_OUT),
        (request("s", 1), request("other", 1), Close.TOKEN_REFUSED),
        (request("s", 1), request("", 1), Close.TOKEN_REFUSED),
        (request("s", 1), request("", 1, "s"), Close.TOKEN_REFUSED),
        (request("s"), request(), Close.TOKEN_REFUSED),
        (request("s"), request("", None, "s"), Close.TOKEN_REFUSED),
    ],
)
def test_nobody_else_may_use_it(made_for: Any, by: Any, code: Close) -> None:
    assert code_of(issue(made_for), by) == code


@pytest.mark.parametrize("visitor", ["", "other", "nobody"])
def test_another_visitor_may_not_use_it(visitor: str) -> None:
    assert code_of(issue(request(), "number"), request(visitor=visitor)) == Close.TOKEN_REFUSED


def test_a_token_that_was_changed_is_refused() -> None:
    mine = request("s", 1)
    text = issue(mine)
    body, timestamp, signature = text.split(":")
    other = signing.b64_encode(b'["key","shop.views.Admin","1","x"]').decode()
    for wrong in (
        *("", ":", "::", "a", "é", "\0", "\ud800", "." + text, text + "x", text[:-1], text * 100, "x" * 100_000),
        f"{other}:{timestamp}:{signature}",
        f"{body}:{timestamp}:",
        f"{body}:zzzzzz:{signature}",
        f".{body}:{timestamp}:{signature}",
        signing.dumps(["key", "shop.views.Cart", "1", "x"], salt="other"),
        signing.dumps(["key"], salt="djust.live_view.page"),
        signing.dumps(None, salt="djust.live_view.page"),
        None,
        3,
        [text],
    ):
        assert code_of(wrong, mine) == Close.TOKEN_REFUSED


def test_no_letter_of_it_can_be_changed() -> None:
    mine = request("s", 1)
    text = issue(mine)
    for at, letter in enumerate(text):
        changed = text[:at] + ("B" if letter == "A" else "A") + text[at + 1 :]
        assert code_of(changed, mine) == Close.TOKEN_REFUSED


def test_a_secret_that_was_replaced_still_reads_it_as_a_fallback(settings: Any) -> None:
    mine = request("s", 1)
    settings.SECRET_KEY = "old"
    text = issue(mine)
    settings.SECRET_KEY = "new"
    assert code_of(text, mine) == Close.TOKEN_REFUSED
    settings.SECRET_KEY_FALLBACKS = ["older", "old"]
    assert tokens.read(text, mine).key == "key"
    # And it signs with the new one.
    settings.SECRET_KEY_FALLBACKS, fresh = [], issue(mine)
    assert tokens.read(fresh, mine).key == "key"


def test_a_token_gives_no_key_of_a_session_away() -> None:
    text = issue(request("session-key", 1))
    body = signing.b64_decode(text.split(":")[0].encode())
    assert b"session-key" not in body
    assert tokens.login_digest("session-key") not in tokens.browser_digests("session-key", "")
