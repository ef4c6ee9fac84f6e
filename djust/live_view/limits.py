"""How much one socket may send."""

from __future__ import annotations

from djust.live_view.errors import Refused
from djust.live_view.protocol import Close


class FrameBudget:
    """A bucket of ``burst`` frames into which ``rate`` frames a second flow."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float, burst: int) -> None:
        self._at = now
        self._left = float(burst)

    def take(self, now: float, rate: float, burst: int) -> None:
        """Take one frame out at the time ``now``, in seconds of a monotonic clock.

        Raises:
            Refused: The bucket is empty.
        """
        self._left = min(self._left + (now - self._at) * rate, burst) - 1
        self._at = now
        if self._left < 0:
            raise Refused(Close.TOO_MANY, f"A socket may send {rate:g} frames a second, and {burst} at once.")
