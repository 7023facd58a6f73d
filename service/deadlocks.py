"""Repeat a transaction if the database rolled it back because of a deadlock."""

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


def retry_on_deadlock(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Run the function in a transaction, and repeat it after a deadlock, at most 5 runs in total.

    Raise the `OperationalError` of the last run if that run ends with a deadlock too. If a transaction is already open, the
    function runs once: the deadlock rolls back the outer transaction as well, so only the code that opened it can
    repeat it. The function must be safe to run again after a rollback.
    """

    @wraps(work)
    def run_with_retries(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        attempts = 1 if connection.in_atomic_block else ATTEMPTS
        for attempt in range(1, attempts):
            try:
                return transaction.atomic(work)(*args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error):
                    raise
                log.debug("deadlock_met", attempt=attempt)
        return transaction.atomic(work)(*args, **kwargs)

    return run_with_retries


def is_deadlock(error: OperationalError) -> bool:
    """Return whether the error reports a deadlock: two transactions that wait for each other."""
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    return error.args[:1] == (MYSQL_DEADLOCK,) or sqlstate == POSTGRESQL_DEADLOCK
