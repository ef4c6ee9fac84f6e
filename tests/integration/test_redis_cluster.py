"""Redis Cluster: three primaries, one of which may be away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from djust.exceptions import BackendUnavailable
from djust.reconcile import reconcile
from djust.sessions import clean_up
from djust.state_backend import RedisStateBackend
from djust.state_backend.redis.layout import SHARDS
from tests.integration.redis_support import hearing, names
from tests.servers import binaries
from tests.servers.redis_cluster import RedisCluster
from tests.servers.waiting import wait_until

KEYS = [f"key{number}" for number in range(90)]


@pytest.fixture
def backend(redis_cluster: RedisCluster, key_prefix: str) -> Iterator[RedisStateBackend]:
    with closing(RedisStateBackend(redis_cluster.url, key_prefix=key_prefix)) as backend:
        yield backend
        backend.delete_all()


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [str(record.getMessage()).split(" ", 1)[0] for record in caplog.records]
    return [name for name in found if name in ("backend_unavailable", "backend_recovered")]


def test_sessions_lie_on_every_primary_and_the_figures_are_those_of_all(
    backend: RedisStateBackend, redis_cluster: RedisCluster, key_prefix: str
) -> None:
    for key in KEYS:
        backend.set(key, {}, owner="me", ttl=0 if key.endswith("0") else None)
    for node in redis_cluster.nodes:
        with node.client() as client:
            assert len(list(client.scan_iter(f"{key_prefix}*:s:*"))) > 10
    assert backend.get_stats()["total_sessions"] == len(KEYS)
    assert backend.get_memory_stats()["sessions_sampled"] == len(KEYS)
    assert sorted(session.key for session in backend.iter_sessions(owner="me")) == sorted(KEYS)
    assert backend.delete_owner("me") == len(KEYS)


def test_nobody_is_asked_where_the_keys_of_a_script_are(
    backend: RedisStateBackend, redis_cluster: RedisCluster
) -> None:
    backend.get_stats()
    called: Counter[str] = Counter()
    with ExitStack() as stack:
        nodes = [stack.enter_context(node.client()) for node in redis_cluster.nodes]
        for node in nodes:
            node.config_resetstat()
        assert backend.get_stats()["total_sessions"] == 0
        for node in nodes:
            for name, figures in node.info("commandstats").items():
                called[name.removeprefix("cmdstat_")] += figures["calls"]
    assert called["evalsha"] == SHARDS
    assert not [name for name in called if name.startswith("command")]


@pytest.mark.parametrize("lost", [["o:*"], ["due"], ["due", "act", "never", "o:*", "meta"]], ids=" ".join)
def test_an_owner_ends_also_where_the_index_was_lost(
    backend: RedisStateBackend, redis_cluster: RedisCluster, key_prefix: str, lost: list[str]
) -> None:
    with closing(redis_cluster.client()) as client:
        policies = {"maxmemory-policy": "allkeys-lru"}
        for name, value in policies.items():
            client.config_set(name, value, target_nodes=client.ALL_NODES)
        for key in KEYS:
            backend.set(key, {}, owner="me")
            backend.set(f"other {key}", {}, owner="somebody")
        for kind in lost:
            for name in names(client, key_prefix, kind):
                client.delete(name)
        assert backend.delete_owner("me") == len(KEYS)
        assert all(backend.get(f"other {key}") is not None for key in KEYS)
        reconcile(backend, repair=["data_without_index", "index_without_data"])
        assert sum(reconcile(backend).found.values()) == 0
        client.config_set("maxmemory-policy", "noeviction", target_nodes=client.ALL_NODES)
    assert backend.delete_all() == len(KEYS)


def test_everything_ends_under_this_prefix_and_nothing_else(
    backend: RedisStateBackend, redis_cluster: RedisCluster, key_prefix: str
) -> None:
    neighbour = RedisStateBackend(redis_cluster.url, key_prefix=f"{key_prefix}other:")
    for key in KEYS:
        backend.set(key, {}, ttl=0)
        neighbour.set(key, {})
    assert backend.delete_all() == len(KEYS)
    assert neighbour.get_stats()["total_sessions"] == len(KEYS)
    with closing(redis_cluster.client()) as client:
        left = {name.split(b"{")[0].decode() for name in client.scan_iter(f"{key_prefix}*", count=1000)}
    assert left == {f"{key_prefix}other:"}
    assert neighbour.delete_all() == len(KEYS)


@pytest.fixture
def own_cluster() -> Iterator[RedisCluster]:
    """A cluster to break, which goes on where it can when a primary is away."""
    config = "cluster-require-full-coverage no"
    with RedisCluster(binaries.redis7(), persist=True, config=config) as cluster:
        yield cluster


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_without_one_primary_its_sessions_are_unavailable_and_the_others_live(
    own_cluster: RedisCluster, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    backend = RedisStateBackend(own_cluster.url, timeout=5)

    def read_all() -> list[bool | None]:
        """Return for each key whether it is there, or None where nobody can tell."""
        if is_async:
            return runner.run(aread_all())
        answers: list[bool | None] = []
        for key in KEYS:
            answer = None
            with suppress(BackendUnavailable):
                answer = backend.get(key) is not None
            answers.append(answer)
        return answers

    async def aread_all() -> list[bool | None]:
        found = await asyncio.gather(*(backend.aget(key) for key in KEYS), return_exceptions=True)
        assert all(isinstance(answer, BackendUnavailable) for answer in found if isinstance(answer, BaseException))
        return [None if isinstance(answer, BaseException) else answer is not None for answer in found]

    with asyncio.Runner() as runner:
        for key in KEYS:
            backend.set(key, {})
        assert read_all() == [True] * len(KEYS)
        away = own_cluster.nodes[1]
        away.kill()
        answers = [read_all() for _ in range(3)]
        assert all(answer == answers[0] for answer in answers)
        assert 10 < answers[0].count(None) < len(KEYS) - 20
        assert answers[0].count(True) == len(KEYS) - answers[0].count(None)
        with pytest.raises(BackendUnavailable):
            backend.get_stats()
        with pytest.raises(BackendUnavailable):
            clean_up(backend)
        assert events(caplog) == ["backend_unavailable"]
        away.start()
        own_cluster.wait_until_ok()
        wait_until(lambda: read_all() == [True] * len(KEYS), what="the cluster to be whole again")
        assert backend.get_stats()["total_sessions"] == len(KEYS)
        assert events(caplog) == ["backend_unavailable", "backend_recovered"]
        runner.run(backend.aclose())
    backend.close()


def test_a_clean_up_that_lost_a_primary_goes_on_with_the_next(own_cluster: RedisCluster) -> None:
    backend = RedisStateBackend(own_cluster.url, timeout=1)
    for key in KEYS:
        backend.set(key, {}, ttl=0.05)
    wait_until(lambda: backend.count_due() == len(KEYS), what="them to be due")
    own_cluster.nodes[2].kill()
    with hearing() as heard:
        with pytest.raises(BackendUnavailable):
            clean_up(backend)
        own_cluster.nodes[2].start()
        own_cluster.wait_until_ok()
        wait_until(lambda: _outcome(backend) == "done", what="a clean-up")
    assert sorted(heard.keys()) == sorted(KEYS)
    backend.close()


def _outcome(backend: RedisStateBackend) -> str | None:
    with suppress(BackendUnavailable):
        return clean_up(backend).outcome
    return None


def test_a_cluster_of_which_nobody_answers_is_unavailable() -> None:
    async def aget() -> None:
        await RedisStateBackend(url, timeout=0.5).aget("key")

    url = "redis+cluster://:canary@127.0.0.1:1"
    for work in (lambda: RedisStateBackend(url, timeout=0.5).get("key"), lambda: asyncio.run(aget())):
        with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1:1 ") as caught:
            work()
        assert "canary" not in str(caught.value)
        assert caught.value.__context__ is None
