"""Work that is begun again when the database chose its transaction as the victim of a deadlock."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from django.db import OperationalError, connection, transaction

ATTEMPTS = 5
# MariaDB and MySQL, by number: ER_LOCK_DEADLOCK; PostgreSQL, by SQLSTATE: deadlock_detected. SQLite has none.
MYSQL_DEADLOCK = 1213
POSTGRESQL_DEADLOCK = "40P01"

log = structlog.get_logger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def atomic_despite_deadlocks(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run the function in a transaction, and up to five times where it meets deadlocks.

    Inside of another transaction it runs once, since the victim loses all of that one: whoever began it has to begin
    again. The function must be one that can run again after a rollback.
    """

    @wraps(work)
    def begin_again(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        attempts = 1 if connection.in_atomic_block else ATTEMPTS
        for attempt in range(1, attempts):
            try:
                return transaction.atomic(work)(*args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error):
                    raise
                log.debug("deadlock_met", attempt=attempt)
        return transaction.atomic(work)(*args, **kwargs)

    return begin_again


def is_deadlock(error: OperationalError) -> bool:
    """Whether the database ended the transaction because another one waited for it."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return error.args[:1] == (MYSQL_DEADLOCK,) or sqlstate == POSTGRESQL_DEADLOCK
