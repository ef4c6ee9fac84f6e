"""Where LiveViews keep their state."""

from djust.state_backend.base import StateBackend
from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.records import Notice, Session, SessionInfo
from djust.state_backend.redis import RedisStateBackend
from djust.state_backend.registry import get_backend, set_backend

__all__ = [
    "InMemoryStateBackend",
    "Notice",
    "RedisStateBackend",
    "Session",
    "SessionInfo",
    "StateBackend",
    "get_backend",
    "set_backend",
]
