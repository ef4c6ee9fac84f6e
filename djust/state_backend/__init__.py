"""Where LiveViews keep their state."""

from djust.state_backend.base import Session, SessionInfo, StateBackend
from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.redis import RedisStateBackend
from djust.state_backend.registry import get_backend, set_backend

__all__ = [
    "InMemoryStateBackend",
    "RedisStateBackend",
    "Session",
    "SessionInfo",
    "StateBackend",
    "get_backend",
    "set_backend",
]
