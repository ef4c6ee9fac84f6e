"""The database as something that may be away: what it cannot do is said in the log and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connections, models, router, transaction

from djust.log import logger

#: What a database that is away, locked or not migrated raises.
DATABASE_ERRORS = (DatabaseError, InterfaceError)

T = TypeVar("T")


def write(model: type[models.Model], action: Callable[[], object]) -> bool:
    """Do ``action`` in a transaction where ``model`` is written, and return whether that worked.

    Work may take long enough for the database to restart meanwhile, so what fails on a connection that was open
    before is tried again on a new one. The transaction keeps a caller's own one usable when both attempts fail.
    """
    using = router.db_for_write(model)
    connection = connections[using]
    was_open = connection.connection is not None and not connection.in_atomic_block
    try:
        try:
            with transaction.atomic(using=using):
                action()
        except (OperationalError, InterfaceError):
            if not was_open:
                raise
            connection.close_if_unusable_or_obsolete()
            with transaction.atomic(using=using):
                action()
    except DATABASE_ERRORS as error:
        unavailable(error)
        return False
    return True


def read(model: type[models.Model], action: Callable[[], T]) -> T:
    """Do ``action``, which reads ``model``, so that a failure leaves a caller's transaction usable.

    Raises:
        DatabaseError, InterfaceError: The database is away or not migrated.
    """
    using = router.db_for_read(model)
    if not connections[using].in_atomic_block:
        return action()
    with transaction.atomic(using=using):
        return action()


def unavailable(error: Exception) -> None:
    """Log that the history could not be read or written."""
    logger.error("history_unavailable", error=type(error).__name__)
