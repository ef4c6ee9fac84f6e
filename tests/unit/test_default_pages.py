"""A backend that writes no pages of its own has those of the base class."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from djust.state_backend import InMemoryStateBackend
from djust.state_backend.base import StateBackend
from djust.testing.many import ManyContract
from djust.testing.support import ContractSupport


class Plain(InMemoryStateBackend):
    """What a backend of somebody else's does without."""

    page_sessions = StateBackend.page_sessions
    apage_sessions = StateBackend.apage_sessions
    session_sizes = StateBackend.session_sizes


class TestPlain(ManyContract, ContractSupport):
    """Its lists."""

    @pytest.fixture
    def make_backend(self) -> Iterator[Callable[..., Plain]]:
        """Make backends that do not sweep themselves during a test."""
        made: list[Plain] = []

        def make(*, default_ttl: float = 3600, max_age: float | None = None) -> Plain:
            made.append(Plain(default_ttl, max_age=max_age, sweep_seconds=3600))
            return made[-1]

        yield make
        for backend in made:
            backend.close()
