"""From a name in the settings to the backend that everybody in this process shares."""

from __future__ import annotations

import difflib
from threading import Lock
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from djust.conf import SETTING, Config, get_config
from djust.state_backend.base import StateBackend
from djust.state_backend.memory import InMemoryStateBackend
from djust.state_backend.redis import RedisStateBackend

_BUILT_IN: dict[str, type[StateBackend]] = {"memory": InMemoryStateBackend, "redis": RedisStateBackend}

_lock = Lock()
_current: StateBackend | None = None


def get_backend() -> StateBackend:
    """Return the configured backend. It is built at the first call and again after the settings changed.

    Raises:
        ImproperlyConfigured: ``DJUST_CONFIG`` names no backend that can be built.
    """
    global _current
    if _current is None:
        with _lock:
            if _current is None:
                config = get_config()
                _current = backend_class(config).from_config(config)
    return _current


def set_backend(backend: StateBackend | None) -> None:
    """Use ``backend`` from now on, or the configured one again after ``None``. For tests."""
    global _current
    with _lock:
        previous, _current = _current, backend
    if previous is not None and previous is not backend:
        previous.close()


def backend_class(config: Config) -> type[StateBackend]:
    """Return the class that ``STATE_BACKEND`` names.

    Raises:
        ImproperlyConfigured: It names none.
    """
    name = config.state_backend
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if "." not in name:
        near = difflib.get_close_matches(name, _BUILT_IN, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else " Use 'memory', 'redis' or the dotted path of a class."
        raise ImproperlyConfigured(f"{SETTING}['STATE_BACKEND'] is unknown: {name!r}.{hint}")
    try:
        found: Any = import_string(name)
    except ImportError as error:
        raise ImproperlyConfigured(f"{SETTING}['STATE_BACKEND'] cannot be imported: {name!r}.") from error
    if not (isinstance(found, type) and issubclass(found, StateBackend)):
        raise ImproperlyConfigured(f"{SETTING}['STATE_BACKEND'] is no subclass of StateBackend: {name!r}.")
    return found


def _forget(*, setting: str, **_: object) -> None:
    if setting == SETTING:
        set_backend(None)


setting_changed.connect(_forget, dispatch_uid="djust.state_backend.registry")
