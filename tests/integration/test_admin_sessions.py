"""The live sessions in Django admin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings

from djust.admin import session_search
from djust.admin.session_address import seal, unseal
from djust.log import hashed
from djust.state_backend import StateBackend, get_backend
from djust.state_backend.redis.calls import Call
from djust.state_backend.redis.client import Client as RedisClient
from tests.integration.redis_support import calls_of, names, payload_name
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer

pytestmark = pytest.mark.django_db
LIST = "/admin/djust/livesession/"

#: Keys, owners and labels that have to be escaped, in HTML and in an address.
HOSTILE = (
    "<script>alert(1)</script>",
    "../../etc/pass wd?x=1#y",
    "a/b//c",
    "ключ 🔑",
    "\u202egnp.exe",
    '"onclick=x',
    "\n",
)


@pytest.fixture
def redis_store(redis7: RedisServer, key_prefix: str) -> Iterator[StateBackend]:
    """The configured store: Redis."""
    config = {"STATE_BACKEND": "redis", "REDIS_URL": redis7.url, "KEY_PREFIX": key_prefix}
    with override_settings(DJUST_CONFIG=config):
        yield get_backend()
        get_backend().delete_all()


@pytest.fixture(params=["redis", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[StateBackend]:
    """The configured store, of each kind."""
    if request.param == "redis":
        yield request.getfixturevalue("redis_store")
        return
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "memory"}):
        yield get_backend()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a request no time beyond its first look, and make its looks small."""
    monkeypatch.setattr(session_search, "BUDGET_SECONDS", 0.0)
    monkeypatch.setattr(session_search, "WALK_SIZE", 20)
    monkeypatch.setattr(session_search, "PAGE_SIZE", 20)


def person(*permissions: str) -> Client:
    """Return a browser in which a member of staff with these permissions is logged in."""
    user = User.objects.create_user("grace", password="pw", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def search(client: Client, by: str, text: str) -> Any:
    """Send the search form and go where it leads."""
    return client.post(LIST, {"by": by, "q": text}, follow=True)


def text_of(response: Any) -> str:
    """Return a page as text."""
    return str(response.content.decode())


def listed(response: Any) -> list[str]:
    """Return the hashes of the sessions in a list."""
    return re.findall(r"<code>([0-9a-f]{16})</code>", text_of(response))


def link(response: Any, words: str) -> str | None:
    """Return where a link leads, or ``None`` if there is no such link."""
    match = re.search(rf'<a [^>]*href="([^"]+)"[^>]*>{words}</a>', text_of(response))
    return unescape(match[1]) if match else None


def page_of(key: str) -> str:
    """Return the address of a session's page."""
    return f"{LIST}session/{seal(key)}/"


def test_the_list_shows_what_is_known_and_no_value(admin_client: Client, store: StateBackend) -> None:
    store.set("key-of-the-first-session", {"word": "sesame"}, owner=42, label="shop.views.Cart")
    store.set("forever", {"word": "sesame"}, 0)
    page = admin_client.get(LIST)
    text = text_of(page)
    assert sorted(listed(page)) == sorted([hashed("key-of-the-first-session"), hashed("forever")])
    assert "key-of-the-f…" in text
    assert "key-of-the-first-session" not in text
    assert "shop.<wbr>views.<wbr>Cart" in text
    assert "2 live sessions in the store." in text
    assert "never" in text
    assert re.search(r'data-label="Size"[^>]*>\d+\xa0bytes<', text)
    assert "sesame" not in text
    assert ("of this web process only" in text) == store.process_local


def test_search_by_owner_label_key_and_hash(admin_client: Client, store: StateBackend) -> None:
    for number in range(30):
        store.set(f"key {number}", {}, owner=f"owner {number % 3}", label=f"label {number % 2}")
    assert set(listed(search(admin_client, "owner", "owner 1"))) == {hashed(f"key {n}") for n in range(1, 30, 3)}
    assert set(listed(search(admin_client, "label", "label 1"))) == {hashed(f"key {n}") for n in range(1, 30, 2)}
    assert search(admin_client, "key", "key 7").redirect_chain == [(page_of("key 7"), 302)]
    found = search(admin_client, "hash", f" {hashed('key 7').upper()} ")
    assert found.redirect_chain[-1] == (page_of("key 7"), 302)
    assert "owner 1" in text_of(found)
    assert "No live session fits" in text_of(search(admin_client, "owner", "owner"))
    assert "Looked at 30 sessions." in text_of(search(admin_client, "hash", "0" * 16))
    assert "No live session has this hash" in text_of(search(admin_client, "hash", "0" * 16))
    missing = search(admin_client, "key", "key")
    assert missing.status_code == 404
    assert "There is no live session of this key" in text_of(missing)


@pytest.mark.parametrize(("by", "text"), [("hash", "xyz"), ("owner", "x" * 513), ("label", "x" * 513)])
def test_what_cannot_be_looked_for_is_said(admin_client: Client, store: StateBackend, by: str, text: str) -> None:
    page = search(admin_client, by, text)
    assert page.status_code == 400
    assert 'class="errornote"' in text_of(page)
    assert admin_client.get(f"{LIST}?cursor=nonsense").status_code == 400
    assert "must have 1 to 512 bytes" in text_of(search(admin_client, "key", "x" * 513))
    assert search(admin_client, "nothing", "x").redirect_chain == [(LIST, 302)]


@pytest.mark.usefixtures("impatient")
def test_pages_meet_every_session_once(admin_client: Client, store: StateBackend) -> None:
    for number in range(70):
        store.set(f"key {number}", {}, owner="one", label="kind")
    for query in ("", "?by=owner&q=one", "?by=label&q=kind"):
        address: str | None = LIST + query
        seen: list[str] = []
        pages = 0
        while address:
            page = admin_client.get(address)
            assert "key+" not in address
            seen += listed(page)
            pages += 1
            address = link(page, "Next page")
        assert pages > 2
        assert sorted(seen) == sorted(hashed(f"key {number}") for number in range(70))


@pytest.mark.usefixtures("impatient")
def test_a_search_by_hash_stops_in_time_and_goes_on(admin_client: Client, store: StateBackend) -> None:
    for number in range(90):
        store.set(f"key {number}", {})
    last = store.page_sessions(size=90).sessions[-1].key
    page = search(admin_client, "hash", hashed(last))
    rounds = 0
    while address := link(page, "Go on searching"):
        assert "None of them has this hash so far." in text_of(page)
        page = admin_client.get(address, follow=True)
        rounds += 1
    assert rounds > 1
    assert page.redirect_chain[-1] == (page_of(last), 302)
    page = search(admin_client, "hash", "0" * 16)
    while address := link(page, "Go on searching"):
        page = admin_client.get(address, follow=True)
    assert "Looked at 90 sessions." in text_of(page)


def test_a_session_shows_names_and_types_and_no_value(admin_client: Client, store: StateBackend) -> None:
    state = {
        "name": "sesame",
        "agreed": True,
        "nothing": None,
        "lines": [{"sku": "sesame"}, {"sku": "sesame"}],
        "address": {"street": "sesame", "more": {"deep": {"deeper": "sesame"}}},
        "mails": {"ada@sesame.example": 7_654_321},
        "many": {f"sesame{number}": 1 for number in range(51)},
        7_654_321: "sesame",
    }
    session = store.set("key", state, 100, owner="ada", label="shop.views.Cart")
    text = text_of(admin_client.get(page_of("key")))
    for name, kind in (
        ("name", "str"),
        ("agreed", "bool"),
        ("nothing", "NoneType"),
        ("lines", "list of dict, entries: 2"),
        ("address", "dict, entries: 2"),
        ("street", "str"),
        ("deep", "dict, entries: 1"),
        ("mails", "dict, entries: 1"),
        ("many", "dict, entries: 51"),
    ):
        assert re.search(rf"<code>{name}</code></th><td>{kind}</td>", text)
    assert text.count("1 more, whose key may be data") == 2
    for value in ("sesame", "deeper", "7654321", "7,654,321", "True"):
        assert value not in text
    assert str(session.version) in text
    assert "1 min 40 s" in text
    assert "shop.views.Cart" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_escaped_and_found(admin_client: Client, store: StateBackend, text: str) -> None:
    store.set(text, {text: 1}, owner=text, label=text)
    pages = [
        admin_client.get(LIST),
        search(admin_client, "owner", text),
        search(admin_client, "label", text),
        search(admin_client, "key", text),
        admin_client.get(f"{page_of(text)}end/"),
        admin_client.get(f"{LIST}owner/{seal(text)}/end/"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert hashed(text) in text_of(page)
        # The search box holds what was typed into it.
        shown = re.sub(r'<input id="djust-q"[^>]*>', "", text_of(page))
        for active in ("<script>alert", '"onclick', "\u202e"):
            assert active not in shown
    assert admin_client.post(f"{page_of(text)}end/", follow=True).status_code == 200
    assert store.get(text) is None


def test_addresses_show_no_key_and_bear_no_change() -> None:
    for key in (*HOSTILE, "x" * 512):
        segment = seal(key)
        assert re.fullmatch(r"[\w-]+", segment, re.ASCII)
        assert unseal(segment) == key
        for changed in (segment[:-1], f"A{segment}", segment.swapcase(), "x", ""):
            assert unseal(changed) is None


def test_a_changed_address_is_not_found(admin_client: Client, store: StateBackend) -> None:
    for address in (f"{LIST}session/abc/", f"{LIST}session/abc/end/", f"{LIST}owner/абв/end/"):
        assert admin_client.get(address).status_code == 404


def test_a_session_is_ended_after_a_question(admin_client: Client, store: StateBackend) -> None:
    store.set("the key", {}, owner="ada")
    page = admin_client.get(link(admin_client.get(page_of("the key")), "End this session…"))
    assert "End this session?" in text_of(page)
    assert store.get("the key") is not None
    page = admin_client.post(f"{page_of('the key')}end/", follow=True)
    assert f"Ended session {hashed('the key')}." in text_of(page)
    assert store.get("the key") is None
    entry = LogEntry.objects.get()
    assert entry.change_message == f"Ended session {hashed('the key')}."
    assert "the key" not in f"{entry.object_repr} {entry.object_id}"
    assert "was over already" in text_of(admin_client.post(f"{page_of('the key')}end/", follow=True))
    assert LogEntry.objects.count() == 1


def test_every_session_of_an_owner_is_ended_after_a_question(admin_client: Client, store: StateBackend) -> None:
    for number in range(5):
        store.set(f"mine {number}", {}, owner="ada")
    store.set("other", {}, owner="bob")
    page = admin_client.get(link(search(admin_client, "owner", "ada"), "End all sessions of this owner…"))
    assert "<dd>5</dd>" in text_of(page)
    page = admin_client.post(f"{LIST}owner/{seal('ada')}/end/", follow=True)
    assert f"Ended 5 sessions of owner {hashed('ada')}." in text_of(page)
    assert listed(page) == [hashed("other")]
    assert LogEntry.objects.get().change_message == f"Ended 5 sessions of owner {hashed('ada')}."


@pytest.mark.parametrize(
    ("permission", "may"), [("view_livesession", ""), ("end_session", "session"), ("end_owner_sessions", "owner")]
)
def test_each_button_has_its_permission(store: StateBackend, permission: str, may: str) -> None:
    store.set("key", {}, owner="ada")
    client = person("view_livesession", permission)
    pages = text_of(client.get(page_of("key"))) + text_of(search(client, "owner", "ada"))
    for kind, words, address in (
        ("session", "End this session…", f"{page_of('key')}end/"),
        ("owner", "End all sessions of this owner…", f"{LIST}owner/{seal('ada')}/end/"),
    ):
        assert (words in pages) == (kind == may)
        assert client.get(address).status_code == (200 if kind == may else 403)
        if kind != may:
            assert client.post(address).status_code == 403
    assert store.get("key") is not None
    assert not LogEntry.objects.exists()


def test_nobody_looks_without_the_permission_or_ends_without_a_post_and_a_token(store: StateBackend) -> None:
    store.set("key", {}, owner="ada")
    client = person("end_session", "end_owner_sessions")
    for address in (LIST, page_of("key"), f"{page_of('key')}end/", f"{LIST}owner/{seal('ada')}/end/"):
        assert client.get(address).status_code == 403
        assert client.post(address).status_code == 403
        assert Client().get(address).status_code == 302
    root = User.objects.create_superuser("root")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(root)
    for address in (f"{page_of('key')}end/", f"{LIST}owner/{seal('ada')}/end/"):
        assert strict.post(address).status_code == 403
        client.force_login(root)
        assert client.put(address).status_code == 405
    assert store.get("key") is not None


def test_a_store_that_is_away_is_said(admin_client: Client) -> None:
    config = {"STATE_BACKEND": "redis", "REDIS_URL": f"redis://:secret@127.0.0.1:{free_port()}/0"}
    with override_settings(DJUST_CONFIG=config):
        for address in (LIST, f"{LIST}?by=hash&q={'0' * 16}", page_of("key"), f"{LIST}owner/{seal('ada')}/end/"):
            page = admin_client.get(address)
            assert page.status_code == 503
            assert "cannot be reached" in text_of(page)
            assert "secret" not in text_of(page)
        for address in (f"{page_of('key')}end/", f"{LIST}owner/{seal('ada')}/end/"):
            page = admin_client.post(address)
            assert page.status_code == 302
        assert text_of(admin_client.get(LIST)).count("Tried to end") == 2
    messages = [entry.change_message for entry in LogEntry.objects.all()]
    assert len(messages) == 2
    assert all("cannot be reached" in message for message in messages)


def test_a_store_that_does_not_tell_sizes_shows_the_rest(
    admin_client: Client, redis_server: Callable[..., RedisServer]
) -> None:
    server = redis_server(users=["app on >secret ~* +@all -memory"])
    url = f"redis://app:secret@{server.host}:{server.port}/0"
    with override_settings(DJUST_CONFIG={"STATE_BACKEND": "redis", "REDIS_URL": url}):
        get_backend().set("key", {"a": 1})
        page = admin_client.get(LIST)
        assert (page.status_code, listed(page)) == (200, [hashed("key")])
        assert "Sizes are unavailable:" in text_of(page)
        assert "unavailable: " in text_of(admin_client.get(page_of("key")))


def test_a_session_that_cannot_be_read_can_be_ended(
    admin_client: Client, redis_store: StateBackend, redis7: RedisServer, key_prefix: str
) -> None:
    redis_store.set("key", {}, owner="ada", label="kind")
    with redis7.client() as client:
        client.setrange(payload_name(key_prefix, "key"), 2, b"\x09")
    assert listed(admin_client.get(LIST)) == [hashed("key")]
    assert listed(search(admin_client, "owner", "ada")) == [hashed("key")]
    page = admin_client.get(page_of("key"))
    assert "cannot be read by this release" in text_of(page)
    assert admin_client.post(link(page, "End this session…"), follow=True).status_code == 200
    assert admin_client.get(page_of("key")).status_code == 404


def test_a_page_costs_few_round_trips_and_reads_no_payload(
    admin_client: Client, redis_store: StateBackend, redis7: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(400):
        redis_store.set(f"key {number}", {"n": number}, owner=f"o{number % 100}", label="kind")
    trips = []
    send_many = RedisClient.send_many

    def counted(client: RedisClient, calls: Sequence[Call]) -> list[Any]:
        trips.append(len(calls))
        return send_many(client, calls)

    monkeypatch.setattr(RedisClient, "send_many", counted)
    addresses = [LIST, f"{LIST}?by=owner&q=o7", f"{LIST}?by=label&q=kind", page_of("key 7")]
    next_page = link(admin_client.get(LIST), "Next page")
    assert next_page
    called = []
    for address in (*addresses, next_page):
        trips.clear()
        with redis7.client() as client:
            called.append(calls_of(client, lambda address=address: admin_client.get(address)))
        # How many each shard has, the page, the sizes; and the total, which may take two.
        assert 1 < len(trips) <= 5
        assert sum(trips) <= 64 * len(trips)
        assert not {"mget", "scan", "keys"} & called[-1].keys()
        assert called[-1].get("get", 0) == (address == page_of("key 7"))
    # The owner index leads to the four sessions: no shard is walked.
    assert "zscan" not in called[1]


def test_an_owner_whose_index_was_evicted_is_found_by_walking(
    admin_client: Client, redis_store: StateBackend, redis7: RedisServer, key_prefix: str
) -> None:
    for number in range(60):
        redis_store.set(f"key {number}", {}, owner="ada" if number % 2 else "bob")
    with redis7.client() as client:
        client.delete(*names(client, key_prefix, "o:*")[::2])
    assert set(listed(search(admin_client, "owner", "ada"))) == {hashed(f"key {number}") for number in range(1, 60, 2)}


def test_a_key_that_was_used_again_is_listed_once_and_as_the_new_owners(
    admin_client: Client, redis_store: StateBackend, redis7: RedisServer, key_prefix: str
) -> None:
    redis_store.set("key", {}, owner="ada", label="old")
    with redis7.client() as client:
        client.delete(payload_name(key_prefix, "key"))
    redis_store.set("key", {}, 0, owner="bob", label="new")
    assert listed(search(admin_client, "owner", "ada")) == listed(search(admin_client, "label", "old")) == []
    assert [info.owner for info in redis_store.iter_sessions(label="old")] == []
    assert listed(search(admin_client, "owner", "bob")) == [hashed("key")]
    assert listed(admin_client.get(LIST)) == [hashed("key")]
