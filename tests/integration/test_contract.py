"""Both backends keep the contract, on every kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.redis.backend import RedisStateBackend
from djust.testing import StateBackendContract
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer

MakeRedis = Callable[..., RedisStateBackend]


def redis_backends(url: str, prefix: str) -> Iterator[MakeRedis]:
    """Yield a function that makes backends, each under a prefix of its own, and close them at the end."""
    made: list[RedisStateBackend] = []

    def make(*, default_ttl: float = 3600, max_age: float | None = None) -> RedisStateBackend:
        made.append(RedisStateBackend(url, default_ttl, f"{prefix}{len(made)}:", max_age=max_age))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


class TestMemory(StateBackendContract):
    """In memory."""

    @pytest.fixture
    def make_backend(self) -> Iterator[Callable[..., InMemoryStateBackend]]:
        """Make backends that do not sweep themselves during a test."""
        made: list[InMemoryStateBackend] = []

        def make(*, default_ttl: float = 3600, max_age: float | None = None) -> InMemoryStateBackend:
            made.append(InMemoryStateBackend(default_ttl, max_age=max_age, sweep_seconds=3600))
            return made[-1]

        yield make
        for backend in made:
            backend.close()


class TestRedis7(StateBackendContract):
    """Debian's Redis 7.0."""

    @pytest.fixture
    def make_backend(self, redis7: RedisServer, key_prefix: str) -> Iterator[MakeRedis]:
        """Make backends on the shared server."""
        yield from redis_backends(redis7.url, key_prefix)


class TestRedis6(StateBackendContract):
    """Redis 6.0, the oldest."""

    @pytest.fixture
    def make_backend(self, redis6: RedisServer, key_prefix: str) -> Iterator[MakeRedis]:
        """Make backends on the shared server."""
        yield from redis_backends(redis6.url, key_prefix)


class TestValkey(StateBackendContract):
    """The embedded server."""

    @pytest.fixture
    def make_backend(self, valkey: RedisServer, key_prefix: str) -> Iterator[MakeRedis]:
        """Make backends on the shared server."""
        yield from redis_backends(valkey.url, key_prefix)


class TestRedisCluster(StateBackendContract):
    """A cluster of three primaries."""

    @pytest.fixture
    def make_backend(self, redis_cluster: RedisCluster, key_prefix: str) -> Iterator[MakeRedis]:
        """Make backends on the shared cluster."""
        yield from redis_backends(redis_cluster.url, key_prefix)
