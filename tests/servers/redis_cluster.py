"""Redis Cluster: three primaries, each a process of this machine."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import redis
from redis.cluster import ClusterNode

from tests.servers.binaries import Binary
from tests.servers.redis_server import RedisServer
from tests.servers.waiting import wait_until

SLOTS = 16_384


class RedisCluster:
    """A cluster without replicas. ``nodes`` are its servers: kill and restart them as you like."""

    def __init__(self, binary: Binary, size: int = 3, **options: Any) -> None:
        self.nodes = [RedisServer(binary, cluster=True, **options) for _ in range(size)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def host(self) -> str:
        """The host of the first node."""
        return self.nodes[0].host

    @property
    def port(self) -> int:
        """The port of the first node."""
        return self.nodes[0].port

    @property
    def url(self) -> str:
        """A ``redis+cluster://`` URL that names the first node."""
        return self.nodes[0].url.replace("redis://", "redis+cluster://", 1)

    def client(self, **options: Any) -> redis.RedisCluster:
        """Return a client that follows the slots. Close it, or use it as a context manager."""
        nodes = [ClusterNode(node.host, node.port) for node in self.nodes]
        return redis.RedisCluster(startup_nodes=nodes, password=self.nodes[0].password, **options)

    def flush(self) -> None:
        """Empty every node."""
        for node in self.nodes:
            node.flush()

    def wait_until_ok(self) -> None:
        """Wait until every node says that all slots are served and that it knows all the others."""
        wait_until(lambda: all(self._is_ok(node) for node in self.nodes), what="the cluster to form")

    def _join(self) -> None:
        first = self.nodes[0]
        for number, node in enumerate(self.nodes):
            slots = range(SLOTS * number // len(self.nodes), SLOTS * (number + 1) // len(self.nodes))
            with node.client() as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                client.execute_command("CLUSTER ADDSLOTS", *slots)
                if node is not first:
                    client.execute_command("CLUSTER MEET", first.host, first.port)
        self.wait_until_ok()

    def _is_ok(self, node: RedisServer) -> bool:
        with node.client(decode_responses=True) as client:
            info = client.execute_command("CLUSTER INFO")
        facts = info if isinstance(info, dict) else dict(line.split(":", 1) for line in info.split("\r\n") if line)
        return facts["cluster_state"] == "ok" and int(facts["cluster_known_nodes"]) == len(self.nodes)
