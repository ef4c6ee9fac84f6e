"""Notices on Redis Cluster: one node is listened to, and every node's notices are heard."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from djust.state_backend import RedisStateBackend
from djust.testing.notices import Listening
from tests.servers import binaries
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

KEYS = [f"key{number}" for number in range(90)]


@pytest.fixture
def own_cluster() -> Iterator[RedisCluster]:
    """A cluster to break, which goes on where it can when a primary is away."""
    with RedisCluster(binaries.redis7(), config="cluster-require-full-coverage no") as cluster:
        yield cluster


def listened_to(nodes: list[RedisServer]) -> list[RedisServer]:
    """Return the nodes that somebody listens to."""

    def subscribers(node: RedisServer) -> int:
        with node.client() as client:
            return len(client.pubsub_channels("djust:notices:0"))

    return [node for node in nodes if subscribers(node)]


def test_deletions_on_every_node_are_heard(redis_cluster: RedisCluster, key_prefix: str) -> None:
    with (
        closing(RedisStateBackend(redis_cluster.url, key_prefix=key_prefix)) as backend,
        Listening(backend) as listener,
    ):
        for key in KEYS:
            backend.set(key, {}, owner="me" if key.endswith("5") else None)
        assert backend.delete_owner("me") == 9
        for key in KEYS:
            backend.delete(key)
        assert sorted(listener.first(90)) == sorted(("ended", key.encode()) for key in KEYS)


def test_when_its_node_is_gone_it_moves_on(own_cluster: RedisCluster) -> None:
    with closing(RedisStateBackend(own_cluster.url, timeout=5)) as backend, Listening(backend) as listener:
        nodes = list(own_cluster.nodes)
        for subscriptions in (2, 3):
            [node] = listened_to(nodes)
            node.kill()
            nodes.remove(node)
            wait_until(lambda subscriptions=subscriptions: listener.subscriptions >= subscriptions)
            [node] = listened_to(nodes)
            with node.client() as client:
                assert client.publish("djust:notices:0", b"\5topic%d" % subscriptions) == 1
        wait_until(lambda: listener.heard == [("topic", b"2"), ("topic", b"3")])


def test_a_node_that_hangs_is_left_too(own_cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("djust.state_backend.redis.listening.QUIET_SECONDS", 0.2)
    with closing(RedisStateBackend(own_cluster.url, timeout=1)) as backend, Listening(backend) as listener:
        [node] = listened_to(own_cluster.nodes)
        node.pause()
        wait_until(lambda: listener.subscriptions >= 2)
        others = [other for other in own_cluster.nodes if other is not node]

        def is_heard() -> bool:
            for other in others:
                with other.client() as client:
                    client.publish("djust:notices:0", b"\5topic")
            return ("topic", b"") in listener.heard

        wait_until(is_heard)
        node.resume()
