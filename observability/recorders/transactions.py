"""The transaction recorder records the begin and the end of the transactions of a connection.

A database can end a transaction without a call of Django's methods, or not as Django expects. If a statement of the
transaction failed, PostgreSQL answers COMMIT with a rollback, and not with an error. MariaDB and MySQL commit before
DDL. After a deadlock, they roll back the whole transaction of the connection that gets the error.
"""

from time import perf_counter_ns
from typing import Any, Literal

from django.db import DEFAULT_DB_ALIAS, DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from observability.core.context import current
from observability.core.observation import Observation
from observability.core.steps import Step, StepKind

# libpq's PQTRANS_INERROR, psycopg's TransactionStatus.INERROR: a statement failed, so COMMIT will roll back.
POSTGRESQL_ABORTED = 3
# The error code ER_LOCK_DEADLOCK of MariaDB and MySQL. They have rolled back the whole transaction.
MYSQL_DEADLOCK = 1213

_wrapped_methods = (
    "connect", "commit", "rollback", "close", "set_autocommit", "savepoint", "savepoint_commit", "savepoint_rollback",
)  # fmt: skip


class TransactionRecorder:
    """Wrap the methods of one connection that begin and end transactions, and record the transactions.

    A transaction without a query is added only to a timeline, and does not count as a step. If the transaction began
    before the observation (in a TestCase), the outermost savepoint of the observation counts as its transaction.

    `recorders.database` creates one for each connection. Only the thread of the connection uses it.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.alias = connection.alias
        self.is_used = False
        self.is_connecting = False
        self._began_in: Observation | None = None
        self._outermost_savepoint: str | None = None
        self._rolled_back_savepoint: str | None = None
        self._connect = connection.connect
        self._commit = connection.commit
        self._rollback = connection.rollback
        self._close = connection.close
        self._set_autocommit = connection.set_autocommit
        self._savepoint = connection.savepoint
        self._savepoint_commit = connection.savepoint_commit
        self._savepoint_rollback = connection.savepoint_rollback
        for name in _wrapped_methods:
            setattr(connection, name, getattr(self, name))

    @property
    def commits_implicitly(self) -> bool:
        """Whether the database commits the open transaction before it executes DDL (MariaDB and MySQL)."""
        return self.connection.vendor == "mysql" and self.connection.in_atomic_block

    def query_failed(self, error: DatabaseError) -> None:
        """Record a rollback if the error is a deadlock of MariaDB or MySQL; other errors do not end a transaction."""
        is_deadlock = self.connection.vendor == "mysql" and error.args[:1] == (MYSQL_DEADLOCK,)
        if is_deadlock and self.connection.in_atomic_block:
            self.end_by_database("rollback")

    def end_by_database(self, kind: Literal["commit", "rollback"]) -> None:
        """Record that the database ends the transaction now, without a call of Django's methods."""
        now = perf_counter_ns()
        self._add_to_timeline(kind, now)
        self._end(kind, now)

    def connect(self) -> None:
        self.is_connecting = True
        try:
            self._connect()
        finally:
            self.is_connecting = False

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, FBT001
        started_ns = perf_counter_ns()
        self._set_autocommit(autocommit, *args, **kwargs)
        if not autocommit:
            self._began_in = _current_root()
            self.is_used = False
            self._add_to_timeline("begin", started_ns)

    def commit(self) -> None:
        is_aborted = self._is_aborted()
        started_ns = perf_counter_ns()
        self._commit()
        kind: Literal["commit", "rollback"] = "rollback" if is_aborted else "commit"
        self._add_to_timeline(kind, started_ns)
        self._end(kind, started_ns)
        self._began_in = None

    def rollback(self) -> None:
        started_ns = perf_counter_ns()
        try:
            self._rollback()
        finally:
            self._add_to_timeline("rollback", started_ns)
            self._end("rollback", started_ns)
            self._began_in = None

    def close(self) -> None:
        is_lost = self.connection.in_atomic_block and not self.connection.closed_in_transaction
        started_ns = perf_counter_ns()
        self._close()
        if is_lost:
            self._add_to_timeline("rollback", started_ns)
            self._end("rollback", started_ns)

    def savepoint(self) -> str | None:
        started_ns = perf_counter_ns()
        savepoint: str | None = self._savepoint()
        if savepoint:
            self._add_to_timeline("savepoint", started_ns)
            if self._outermost_savepoint is None and _current_root() is not self._began_in:
                self._outermost_savepoint = savepoint
                self.is_used = False
        return savepoint

    def savepoint_commit(self, savepoint: str) -> None:
        started_ns = perf_counter_ns()
        self._savepoint_commit(savepoint)
        # After a rollback to a savepoint, Django also releases it. This release is not recorded.
        if savepoint != self._rolled_back_savepoint:
            self._add_to_timeline("release savepoint", started_ns)
        if savepoint == self._outermost_savepoint:
            self._end("commit", started_ns)

    def savepoint_rollback(self, savepoint: str) -> None:
        started_ns = perf_counter_ns()
        self._savepoint_rollback(savepoint)
        self._rolled_back_savepoint = savepoint
        self._add_to_timeline("rollback to savepoint", started_ns)
        if savepoint == self._outermost_savepoint:
            self._end("rollback", started_ns)

    def _is_aborted(self) -> bool:
        if self.connection.vendor != "postgresql" or self.connection.connection is None:
            return False
        return bool(self.connection.connection.info.transaction_status == POSTGRESQL_ABORTED)

    def _add_to_timeline(self, kind: StepKind, started_ns: int) -> None:
        """Add a step to the timeline of the current observation, also if the transaction had no query."""
        observation = current()
        timeline = None if observation is None else observation.timeline
        if timeline is not None:
            timeline.add(self._step(kind, started_ns))

    def _end(self, kind: Literal["commit", "rollback"], started_ns: int) -> None:
        is_used, self.is_used = self.is_used, False
        self._outermost_savepoint = None
        observation = current()
        if observation is None or not is_used:
            return
        observation.add_step(self._step(kind, started_ns))
        if self.alias == DEFAULT_DB_ALIAS:
            observation.set_transaction_outcome("committed" if kind == "commit" else "rolled_back")

    def _step(self, kind: StepKind, started_ns: int) -> Step:
        ended_ns = perf_counter_ns()
        return Step(kind, kind.upper(), self.alias, (ended_ns - started_ns) / 1e6, ended_ns=ended_ns)


def _current_root() -> Observation | None:
    observation = current()
    return None if observation is None else observation.root
