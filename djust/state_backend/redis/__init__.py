"""The Redis backend."""

from djust.state_backend.redis.backend import RedisStateBackend

__all__ = ["RedisStateBackend"]
