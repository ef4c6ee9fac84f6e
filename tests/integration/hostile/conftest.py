"""The site that hostile clients are let loose on, and somebody whom they must not disturb."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hostile.support import Site, Visitor, assert_unharmed, make_environment, server
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="module")
def site(redis7: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory: Path = tmp_path_factory.mktemp("hostile")
    environment = make_environment(directory, redis7.url, f"test-{secrets.token_hex(6)}:")
    with server(environment) as web:
        yield Site(web, environment)


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    with Visitor(site.web.url) as made:
        yield made


@pytest.fixture
async def honest(site: Site) -> Any:
    """Somebody who works on all the time."""
    with Visitor(site.web.url) as other:
        page = other.page()
        async with await other.joined(page) as socket:
            assert (await socket.event(1, "increment"))["t"] == "update"
            site.forget_refusals()
            yield
            assert (await socket.event(2, "increment"))["t"] == "update"
            assert site.store.state(page)[1]["count"] == 2
    assert_unharmed(site.web.process)
