"""The whole contract."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"djust.testing.{name}"
        for name in ("concurrency", "expiry", "lifetimes", "many", "notices", "support", "values", "versions")
    )
)

# The assertions explain themselves only from here on.
# ruff: noqa: E402
from djust.testing.concurrency import ConcurrencyContract
from djust.testing.expiry import ExpiryContract
from djust.testing.lifetimes import LifetimesContract
from djust.testing.many import ManyContract
from djust.testing.notices import NoticesContract
from djust.testing.support import ContractSupport
from djust.testing.values import ValuesContract
from djust.testing.versions import VersionsContract


class StateBackendContract(
    ValuesContract,
    LifetimesContract,
    VersionsContract,
    ExpiryContract,
    ManyContract,
    ConcurrencyContract,
    NoticesContract,
    ContractSupport,
):
    """Every test that a state backend has to pass. Subclass it and define the fixture ``make_backend``."""
