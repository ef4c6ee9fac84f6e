"""Counts that only grow, however short the history is that is kept: what the counters of ``metrics/`` show.

The names, each with a part after the colon where there is one:

- ``maintenance_runs:<task>:<outcome>``: runs that ended, by ``MaintenanceRun.Task`` and ``MaintenanceRun.Outcome``
- ``sessions_removed``: sessions that clean-ups removed
- ``sessions_lost:<cause>``: sessions found to be gone before their time, by ``SessionLoss.Cause``
- ``evicted_keys``: keys that the servers were seen to drop, whoever's they were
- ``alerts_fired:<rule>``: alerts that began to fire
"""

from __future__ import annotations

from django.db.models import F

from djust.database import write
from djust.models import Total

MAINTENANCE_RUNS = "maintenance_runs"
SESSIONS_REMOVED = "sessions_removed"
SESSIONS_LOST = "sessions_lost"
EVICTED_KEYS = "evicted_keys"
ALERTS_FIRED = "alerts_fired"


def add(name: str, amount: int = 1) -> None:
    """Let a total grow. A database that is away costs the count and nothing else.

    Args:
        name: See the module, at most 100 characters.
        amount: By how much; nothing happens for zero.

    Raises:
        ValueError: The amount is negative.
    """
    if amount < 0:
        raise ValueError(f"A total cannot shrink: {name} by {amount}.")
    if amount:
        write(Total, lambda: _add(name, amount))


def read_all() -> dict[str, int]:
    """Return all totals.

    Raises:
        DatabaseError, InterfaceError: The database is away or not migrated.
    """
    return dict(Total.objects.values_list("name", "value"))


def _add(name: str, amount: int) -> None:
    """Add in the database, where no other process can come in between, and make the row if it is not there yet."""
    row = Total.objects.filter(name=name)
    if not row.update(value=F("value") + amount):
        Total.objects.bulk_create([Total(name=name, value=0)], ignore_conflicts=True)
        row.update(value=F("value") + amount)
