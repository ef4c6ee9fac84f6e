"""Figures of servers that answer otherwise than Redis does."""

from __future__ import annotations

from typing import Any

import pytest

from djust.monitoring import check_evictions, sample_memory
from djust.state_backend import InMemoryStateBackend


class Answering(InMemoryStateBackend):
    """Says what it was told to, of each node."""

    def __init__(self, **nodes: dict[str, Any]) -> None:
        super().__init__()
        self.nodes = nodes

    def server_info(self, section: str) -> list[dict[str, Any]]:
        """Return the same for every section."""
        return [{"node": node, **answer} for node, answer in self.nodes.items()]


def since(previous: dict[str, Any] | None, backend: Answering) -> dict[str, int | None]:
    """Return how many keys each node has evicted."""
    return {server["node"]: server["evicted_since"] for server in check_evictions(previous, backend)["servers"]}


@pytest.mark.parametrize("answer", [{}, {"used_memory": -1, "evicted_keys": -1}], ids=["missing", "negative"])
def test_a_figure_that_the_server_does_not_know_is_null_with_the_reason(answer: dict[str, Any]) -> None:
    backend = Answering(one=answer)
    [server] = sample_memory(backend)["servers"]
    for name in ("used_bytes", "evicted_keys"):
        assert server[name] is None
        assert server["unavailable"][name] == "The server does not give this figure."
    assert server["usage"] is None
    assert since(check_evictions(None, backend), backend) == {"one": None}


def test_what_is_zero_is_zero() -> None:
    [server] = sample_memory(Answering(one={"used_memory": 0, "maxmemory": 100, "evicted_keys": 0}))["servers"]
    assert (server["used_bytes"], server["evicted_keys"], server["usage"]) == (0, 0, 0.0)


def test_every_node_is_compared_with_itself() -> None:
    backend = Answering(one={"evicted_keys": 5, "run_id": "a"}, two={"evicted_keys": 100, "run_id": "b"})
    before = check_evictions(None, backend)
    backend.nodes = {
        "two": {"evicted_keys": 101, "run_id": "b"},
        "one": {"evicted_keys": 9, "run_id": "restarted"},
        "three": {"evicted_keys": 7, "run_id": "c"},
    }
    assert since(before, backend) == {"two": 1, "one": None, "three": None}
