"""The whole contract."""

from djust.testing.concurrency import ConcurrencyContract
from djust.testing.expiry import ExpiryContract
from djust.testing.lifetimes import LifetimesContract
from djust.testing.many import ManyContract
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
    ContractSupport,
):
    """Every test that a state backend has to pass. Subclass it and define the fixture ``make_backend``."""
