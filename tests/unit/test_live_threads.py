"""The threads of handlers take turns at what keeps the interpreter busy."""

from __future__ import annotations

import pytest

from djust.live_view import threads


class Lock:
    """Is held by somebody else, and notes for how long others would wait."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def acquire(self, timeout: float) -> bool:
        self.waits.append(timeout)
        return False


@pytest.mark.parametrize(("since", "longest"), [(0.0, 0.05), (0.03, 0.02), (0.05, 0.0), (3.0, 0.0)])
def test_nobody_waits_for_who_renders_for_longer_than_a_turn(
    monkeypatch: pytest.MonkeyPatch, since: float, longest: float
) -> None:
    lock = Lock()
    monkeypatch.setattr(threads, "_turn", lock)
    monkeypatch.setattr(threads, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(threads, "_turn_ends_at", 1000.0 - since + 0.05)
    with threads.in_turn():
        pass
    assert lock.waits == [pytest.approx(longest)]
