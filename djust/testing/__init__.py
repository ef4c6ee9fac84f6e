"""What tests of a project use.

``LiveViewTestClient`` opens LiveViews without a browser. ``LiveClient`` speaks to a running site, for load tests; it
needs websockets. A state backend of one's own passes when a subclass of ``StateBackendContract`` does, with pytest::

    class TestMyBackend(StateBackendContract):
        @pytest.fixture
        def make_backend(self):
            backends = []

            def make(**options):
                backends.append(MyBackend(**options))
                return backends[-1]

            yield make
            for backend in backends:
                backend.close()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from djust.testing.contract import StateBackendContract
    from djust.testing.live_client import LiveClient
    from djust.testing.live_view import LiveTestPage, LiveViewTestClient
    from djust.testing.support import Reports, eventually

__all__ = ["LiveClient", "LiveTestPage", "LiveViewTestClient", "Reports", "StateBackendContract", "eventually"]

#: Each is imported when it is asked for, so that nobody needs pytest who does not test a backend.
_MODULES = {
    "LiveClient": "live_client",
    "LiveTestPage": "live_view",
    "LiveViewTestClient": "live_view",
    "Reports": "support",
    "StateBackendContract": "contract",
    "eventually": "support",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
