"""Fixtures that end with the test what it opens on a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from djust.state_backend import RedisStateBackend
from djust.testing.notices import Listening


@pytest.fixture
def backends() -> Iterator[Callable[..., RedisStateBackend]]:
    """Open a backend with the arguments of ``RedisStateBackend``."""
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(closing(RedisStateBackend(*args, **options)))


@pytest.fixture
def listen() -> Iterator[Callable[[RedisStateBackend], Listening]]:
    """Listen to the notices of a backend."""
    with ExitStack() as stack:
        yield lambda backend: stack.enter_context(Listening(backend))
