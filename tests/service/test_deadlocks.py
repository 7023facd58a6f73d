"""Repeat transactions after a deadlock."""

import pytest
from django.db import OperationalError, connection, transaction

from service.deadlocks import ATTEMPTS, MYSQL_DEADLOCK, POSTGRESQL_DEADLOCK, retry_on_deadlock
from service.models import User

DEADLOCK = OperationalError(MYSQL_DEADLOCK, "Deadlock found when trying to get lock; try restarting transaction")


class PostgresqlError(Exception):
    """A stub of the error that psycopg raises."""

    sqlstate = POSTGRESQL_DEADLOCK


def postgresql_deadlock() -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = PostgresqlError()
    return error


class Work:
    """Write a row at each call; raise the error in the first `failures` calls."""

    def __init__(self, failures: int, error: OperationalError = DEADLOCK) -> None:
        self.failures = failures
        self.error = error
        self.runs = 0

    def __call__(self) -> str:
        assert connection.in_atomic_block
        self.runs += 1
        User.objects.create(username=f"run {self.runs}")
        if self.runs <= self.failures:
            raise self.error
        return "done"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [DEADLOCK, postgresql_deadlock()], ids=["MariaDB", "PostgreSQL"])
def test_transaction_is_repeated_after_a_deadlock_and_failed_runs_are_rolled_back(error: OperationalError) -> None:
    work = Work(failures=2, error=error)
    assert retry_on_deadlock(work)() == "done"
    assert [each.username for each in User.objects.all()] == ["run 3"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("error", "runs"), [(DEADLOCK, ATTEMPTS), (OperationalError("gone"), 1)])
def test_error_is_raised_after_the_last_run_or_if_it_is_not_a_deadlock(error: OperationalError, runs: int) -> None:
    work = Work(failures=99, error=error)
    with pytest.raises(OperationalError):
        retry_on_deadlock(work)()
    assert (work.runs, User.objects.count()) == (runs, 0)


@pytest.mark.django_db(transaction=True)
def test_deadlock_inside_another_transaction_is_not_retried() -> None:
    work = Work(failures=1)
    with pytest.raises(OperationalError), transaction.atomic():
        retry_on_deadlock(work)()
    assert work.runs == 1
