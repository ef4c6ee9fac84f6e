"""Leaves out what uvicorn logs of each WebSocket, for those who do not log requests either."""

from __future__ import annotations

import logging


class NotOfSockets(logging.Filter):
    """Lets everything through but that a socket was opened or closed, which is no error though the logger says so."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is about anything else."""
        message = record.getMessage()
        return not (message in {"connection open", "connection closed"} or '"WebSocket /' in message)
