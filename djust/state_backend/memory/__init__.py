"""The state backend that keeps sessions in the memory of one process."""

from djust.state_backend.memory.backend import InMemoryStateBackend

__all__ = ["InMemoryStateBackend"]
