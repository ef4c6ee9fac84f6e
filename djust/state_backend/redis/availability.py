"""Whether the store can be reached, said once when it changes."""

from __future__ import annotations

from threading import Lock

from djust.exceptions import BackendUnavailable, DjustError
from djust.log import logger


class Availability:
    """Logs ``backend_unavailable`` at the first failure in a row and ``backend_recovered`` at the next success."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = Lock()
        self.down = False

    def failed(self, error: DjustError) -> None:
        """Note a failed call; only ``BackendUnavailable`` counts."""
        if not isinstance(error, BackendUnavailable):
            return
        with self._lock:
            if self.down:
                return
            self.down = True
        logger.error("backend_unavailable", backend="redis", endpoint=self._endpoint, reason=str(error))

    def worked(self) -> None:
        """Note a call that was answered. Callers look at ``down`` first, which costs nothing."""
        with self._lock:
            if not self.down:
                return
            self.down = False
        logger.warning("backend_recovered", backend="redis", endpoint=self._endpoint)
