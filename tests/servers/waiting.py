"""Waiting for conditions instead of for time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T], *, timeout: float = 30.0, what: str = "the condition", pause: float = 0.1
) -> T:
    """Ask ``condition`` until it answers with something true, and return that.

    The pauses between two looks grow from two milliseconds to ``pause`` seconds.

    Raises:
        TimeoutError: It stayed false for ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    current = 0.002
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout:g} s in vain for {what}.")
        time.sleep(min(current, pause))
        current = min(current * 1.5, pause)
