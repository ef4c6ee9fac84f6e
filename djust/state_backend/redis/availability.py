"""Whether the store can be reached, said once when it changes."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from djust.exceptions import BackendUnavailable, DjustError
from djust.log import logger
from djust.state_backend.redis.errors import WritesRefused


class Availability:
    """Logs ``backend_unavailable`` at the first failure in a row and ``backend_recovered`` at the next success.

    Of a cluster, one part can be away while the others answer, and their answers are no recovery. Clients name the
    ``place`` that a call went to, or pass ``b""`` where there is only one.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lock = Lock()
        self._for_writes = False
        self._places: set[bytes] = set()
        self.down = False

    def failed(self, error: DjustError, places: Iterable[bytes]) -> None:
        """Note a failed call; only ``BackendUnavailable`` counts."""
        if not isinstance(error, BackendUnavailable):
            return
        with self._lock:
            self._for_writes = isinstance(error, WritesRefused)
            self._places.update(places)
            if self.down:
                return
            self.down = True
        logger.error("backend_unavailable", backend="redis", endpoint=self._endpoint, reason=str(error))

    def worked(self, places: Iterable[bytes], *, wrote: bool) -> None:
        """Note a call that was answered. Callers look at ``down`` first, which costs nothing.

        Args:
            places: Where the answers came from.
            wrote: The answer shows that the server takes writes. Where it had refused one, a read proves nothing.
        """
        with self._lock:
            if not self.down or (self._for_writes and not wrote):
                return
            self._places.difference_update(places, (b"",))
            if self._places:
                return
            self.down = False
        logger.warning("backend_recovered", backend="redis", endpoint=self._endpoint)
