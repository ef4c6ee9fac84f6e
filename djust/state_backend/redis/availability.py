"""Whether the store can be reached, said once when it changes."""

from __future__ import annotations

from threading import Lock

from djust.exceptions import BackendUnavailable, DjustError
from djust.log import logger
from djust.state_backend.redis.errors import WritesRefused


class Availability:
    """Logs ``backend_unavailable`` at the first failure in a row and ``backend_recovered`` at the next success."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = Lock()
        self._for_writes = False
        self.down = False

    def failed(self, error: DjustError) -> None:
        """Note a failed call; only ``BackendUnavailable`` counts."""
        if not isinstance(error, BackendUnavailable):
            return
        with self._lock:
            self._for_writes = isinstance(error, WritesRefused)
            if self.down:
                return
            self.down = True
        logger.error("backend_unavailable", backend="redis", endpoint=self._endpoint, reason=str(error))

    def worked(self, *, wrote: bool) -> None:
        """Note a call that was answered. Callers look at ``down`` first, which costs nothing.

        Args:
            wrote: The answer shows that the server takes writes. Where it had refused one, a read proves nothing.
        """
        with self._lock:
            if not self.down or (self._for_writes and not wrote):
                return
            self.down = False
        logger.warning("backend_recovered", backend="redis", endpoint=self._endpoint)
