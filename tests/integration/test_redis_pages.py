"""Pages that end within a shard, and what is listed where the index has lost something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice

import pytest

from djust.exceptions import InvalidArgument
from djust.state_backend import RedisStateBackend
from djust.state_backend.records import SessionPage
from djust.state_backend.redis import pages
from djust.state_backend.redis.layout import shard_of
from tests.integration.redis_support import calls_of, names
from tests.servers.redis_server import RedisServer

#: So many that Redis keeps neither all nor ada's two thirds in a packed list, which a scan returns whole.
MANY = 900


@pytest.fixture
def backend(redis7: RedisServer, key_prefix: str) -> Iterator[RedisStateBackend]:
    with closing(RedisStateBackend(redis7.url, key_prefix=key_prefix)) as backend:
        yield backend
        backend.delete_all()


@pytest.fixture
def crowded(backend: RedisStateBackend) -> list[str]:
    """Many sessions of one shard, two thirds of them ada's, and one of another shard."""
    keys = list(islice((key for number in count() if shard_of((key := f"k{number}").encode()) == 7), MANY))
    keys.append(next(f"z{number}" for number in count() if shard_of(f"z{number}".encode()) == 50))

    async def fill() -> None:
        await asyncio.gather(
            *(backend.aset(key, {}, owner="bob" if number % 3 == 2 else "ada") for number, key in enumerate(keys))
        )
        await backend.aclose()

    asyncio.run(fill())
    return keys


def adas(keys: list[str]) -> list[str]:
    """Return ada's, in order."""
    return sorted(key for number, key in enumerate(keys) if number % 3 != 2)


def all_pages(backend: RedisStateBackend, owner: str | None = None, size: int = 50) -> list[SessionPage]:
    """Return every page of a list."""
    found = [backend.page_sessions(owner=owner, size=size)]
    while found[-1].cursor is not None:
        found.append(backend.page_sessions(found[-1].cursor, owner=owner, size=size))
    return found


def keys_of(found: list[SessionPage]) -> list[str]:
    """Return the keys on pages, in order."""
    return sorted(info.key for page in found for info in page.sessions)


@pytest.mark.parametrize("large", [pages.LARGE_BUCKET, 10])
def test_a_page_ends_within_a_shard(
    backend: RedisStateBackend, crowded: list[str], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LARGE_BUCKET", large)
    for owner, expected in ((None, sorted(crowded)), ("ada", adas(crowded))):
        found = all_pages(backend, owner)
        assert len(found) > len(expected) / 100
        assert max(len(page.sessions) for page in found) < 80
        assert keys_of(found) == expected


def test_a_list_begins_where_there_are_sessions_and_ends_after_the_last(
    backend: RedisStateBackend, crowded: list[str], redis7: RedisServer
) -> None:
    assert all_pages(backend, size=2 * MANY)[0].cursor is None
    with redis7.client() as client:
        assert calls_of(client, lambda: backend.page_sessions(size=2 * MANY))["zscan"] == 2
        assert calls_of(client, lambda: backend.page_sessions(owner="ada", size=2 * MANY))["hscan"] == 2


@pytest.mark.parametrize("lost", [["o:*"], ["meta"], ["act"], ["o:*", "meta"]])
def test_an_owner_is_found_without_the_owner_index(
    backend: RedisStateBackend, crowded: list[str], redis7: RedisServer, key_prefix: str, lost: list[str]
) -> None:
    with redis7.client() as client:
        for kind in lost:
            client.delete(*names(client, key_prefix, kind))
    found = all_pages(backend, "ada")
    assert len(found) > 2
    assert keys_of(found) == adas(crowded)


def test_a_list_begun_by_the_owner_index_goes_on_after_its_loss(
    backend: RedisStateBackend, crowded: list[str], redis7: RedisServer, key_prefix: str
) -> None:
    first = backend.page_sessions(owner="ada", size=50)
    assert first.cursor is not None
    assert first.cursor.startswith("o7:")
    with redis7.client() as client:
        client.delete(*names(client, key_prefix, "o:*"))
    keys, cursor = {info.key for info in first.sessions}, first.cursor
    while cursor is not None:
        page = backend.page_sessions(cursor, owner="ada", size=50)
        keys |= {info.key for info in page.sessions}
        cursor = page.cursor
    assert sorted(keys) == adas(crowded)


@pytest.mark.parametrize("cursor", ["o7:5", "d64:0", "d7", "d7:x", "d7:5 "])
def test_a_cursor_of_another_list_is_refused(backend: RedisStateBackend, cursor: str) -> None:
    with pytest.raises(InvalidArgument, match="no cursor of this list"):
        backend.page_sessions(cursor)
