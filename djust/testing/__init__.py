"""Tests for state backends, to be run with pytest, which has to be installed.

A backend passes when a subclass of ``StateBackendContract`` does::

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

import pytest

pytest.register_assert_rewrite(
    *(
        f"djust.testing.{name}"
        for name in ("concurrency", "expiry", "lifetimes", "many", "support", "values", "versions")
    )
)

from djust.testing.contract import StateBackendContract  # noqa: E402  (assertions explain themselves only from here on)
from djust.testing.support import Reports, eventually  # noqa: E402

__all__ = ["Reports", "StateBackendContract", "eventually"]
