"""The database recorder: queries, and how transactions end, on every connection that Django opens.

It is installed when a connection is created and stays on it. A wrapper set by the middleware would miss the queries of
sync views under ASGI, which run in another thread with connections of its own.

A query is a statement of the application or the framework. Transaction control is none: on SQLite Django's BEGIN passes
the execute wrapper, on PostgreSQL it does not, and one request must count the same on both. The statements by which
Django prepares a new connection are none either: they pass the wrapper on MariaDB alone.

A database may end a transaction by itself, without Django's knowledge; `TransactionRecorder` says where.
"""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Literal

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from observability.core.context import current
from observability.core.observation import Observation
from observability.core.steps import Step, StepKind
from observability.core.timeline import Timeline
from observability.recorders.query_origin import find_query_origin
from observability.recorders.sql import parse_sql

# libpq's PQTRANS_INERROR, psycopg's TransactionStatus.INERROR: a statement failed, and COMMIT will roll back.
POSTGRESQL_ABORTED = 3
# ER_LOCK_DEADLOCK: the transaction that MariaDB and MySQL chose as the victim is rolled back as a whole.
MYSQL_DEADLOCK = 1213


def install() -> None:
    """Record on every connection from now on, also on those that are open already."""
    connection_created.connect(_record_connection, dispatch_uid="observability.recorders.database")
    for connection in connections.all(initialized_only=True):
        install_on(connection)


def install_on(connection: BaseDatabaseWrapper) -> None:
    """Record on this connection, once however often it is called: a connection that reconnects is created again."""
    if any(isinstance(wrapper, QueryRecorder) for wrapper in connection.execute_wrappers):
        return
    # Of a connection whose wrappers somebody replaced, the methods are wrapped still.
    known = getattr(connection.commit, "__self__", None)
    transactions = known if isinstance(known, TransactionRecorder) else TransactionRecorder(connection)
    # First in the list: `execute_wrapper()` pops the last one when its block ends.
    connection.execute_wrappers.insert(0, QueryRecorder(transactions))


def has_open_transaction() -> bool:
    """Whether this thread executed something on the default database that is neither committed nor rolled back."""
    recorders = [
        wrapper
        for connection in connections.all(initialized_only=True)
        if connection.alias == DEFAULT_DB_ALIAS
        for wrapper in connection.execute_wrappers
        if isinstance(wrapper, QueryRecorder)
    ]
    return any(recorder.transactions.is_used for recorder in recorders)


def _record_connection(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    install_on(connection)


class QueryRecorder:
    """An execute wrapper that records each query as a step of the current observation, failed ones too."""

    def __init__(self, transactions: "TransactionRecorder") -> None:
        self.transactions = transactions

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: object,
        many: bool,  # noqa: FBT001
        context: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - what Django's cursor returns
        known = parse_sql(sql if isinstance(sql, str) else _text_of(sql, context["cursor"]))
        transactions = self.transactions
        if known.is_transaction_control or transactions.is_connecting:
            return execute(sql, params, many, context)
        if known.commits_implicitly and transactions.commits_implicitly():
            transactions.ended_by_database("commit")
        elif not transactions.connection.autocommit:
            transactions.is_used = True
        observation = current()
        failure = ""
        started = perf_counter_ns()
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            transactions.failed(error)
            failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            if observation is not None:
                ended = perf_counter_ns()
                duration_ms = (ended - started) / 1e6
                step = Step("query", known.text, transactions.alias, duration_ms, known.fingerprint, ended)
                # Before the readers hear of it: one may end the work here.
                if observation.timeline is not None:
                    found = find_query_origin(known.fingerprint, observation.timeline.origin_cache)
                    observation.timeline.add(step, origin=found, error=failure)
                observation.add_step(step)


class TransactionRecorder:
    """Wraps the methods of one connection by which transactions end, and tells the current observation how.

    A transaction in which nothing was executed is none. Inside a transaction that began before the observation (a
    TestCase's), the observation's outermost savepoint stands for its transaction. Created with the connection and
    lives as long; used by the connection's own thread.

    What a database does by itself: PostgreSQL answers COMMIT with a rollback, and no error, after any statement of the
    transaction failed; MariaDB and MySQL commit at DDL, and roll back the whole transaction of a deadlock's victim.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.alias = connection.alias
        self.is_used = False
        self.is_connecting = False
        self._began_in: Observation | None = None
        self._outermost_savepoint: str | None = None
        self._undone_savepoint: str | None = None
        self._connect = connection.connect
        self._commit = connection.commit
        self._rollback = connection.rollback
        self._close = connection.close
        self._set_autocommit = connection.set_autocommit
        self._savepoint = connection.savepoint
        self._savepoint_commit = connection.savepoint_commit
        self._savepoint_rollback = connection.savepoint_rollback
        for name in (
            "connect", "commit", "rollback", "close", "set_autocommit",
            "savepoint", "savepoint_commit", "savepoint_rollback",
        ):  # fmt: skip
            setattr(connection, name, getattr(self, name))

    def commits_implicitly(self) -> bool:
        """Whether the database commits the transaction before it executes a statement like DDL."""
        return self.connection.vendor == "mysql" and self.connection.in_atomic_block

    def failed(self, error: DatabaseError) -> None:
        """Hear of a query that failed."""
        is_deadlock = self.connection.vendor == "mysql" and error.args[:1] == (MYSQL_DEADLOCK,)
        if is_deadlock and self.connection.in_atomic_block:
            self.ended_by_database("rollback")

    def ended_by_database(self, kind: Literal["commit", "rollback"]) -> None:
        """Hear that the database ends the transaction by itself, now."""
        self._tell(kind, perf_counter_ns())
        self._ended(kind, perf_counter_ns())

    def connect(self) -> None:
        self.is_connecting = True
        try:
            self._connect()
        finally:
            self.is_connecting = False

    def set_autocommit(self, autocommit: bool, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, FBT001
        started = perf_counter_ns()
        self._set_autocommit(autocommit, *args, **kwargs)
        if not autocommit:
            self._began_in = _outermost_observation()
            self.is_used = False
            self._tell("begin", started)

    def commit(self) -> None:
        is_aborted = self._is_aborted()
        started = perf_counter_ns()
        self._commit()
        kind: Literal["commit", "rollback"] = "rollback" if is_aborted else "commit"
        self._tell(kind, started)
        self._ended(kind, started)
        self._began_in = None

    def rollback(self) -> None:
        started = perf_counter_ns()
        try:
            self._rollback()
        finally:
            self._tell("rollback", started)
            self._ended("rollback", started)
            self._began_in = None

    def close(self) -> None:
        is_lost = self.connection.in_atomic_block and not self.connection.closed_in_transaction
        started = perf_counter_ns()
        self._close()
        if is_lost:
            self._tell("rollback", started)
            self._ended("rollback", started)

    def savepoint(self) -> str | None:
        started = perf_counter_ns()
        savepoint: str | None = self._savepoint()
        if savepoint:
            self._tell("savepoint", started)
        observation = _outermost_observation()
        if savepoint and observation is not self._began_in and self._outermost_savepoint is None:
            self._outermost_savepoint = savepoint
            self.is_used = False
        return savepoint

    def savepoint_commit(self, savepoint: str) -> None:
        started = perf_counter_ns()
        self._savepoint_commit(savepoint)
        # Django releases one that it rolled back to, too.
        if savepoint != self._undone_savepoint:
            self._tell("release savepoint", started)
        if savepoint == self._outermost_savepoint:
            self._ended("commit", started)

    def savepoint_rollback(self, savepoint: str) -> None:
        started = perf_counter_ns()
        self._savepoint_rollback(savepoint)
        self._undone_savepoint = savepoint
        self._tell("rollback to savepoint", started)
        if savepoint == self._outermost_savepoint:
            self._ended("rollback", started)

    def _is_aborted(self) -> bool:
        if self.connection.vendor != "postgresql" or self.connection.connection is None:
            return False
        return bool(self.connection.connection.info.transaction_status == POSTGRESQL_ABORTED)

    def _tell(self, kind: StepKind, started: int) -> None:
        """Add it to the details of the current observation, where it has any; also what executed nothing."""
        observation = current()
        details: Timeline | None = None if observation is None else observation.timeline
        if details is not None:
            now = perf_counter_ns()
            details.add(Step(kind, kind.upper(), self.alias, (now - started) / 1e6, ended_ns=now))

    def _ended(self, kind: Literal["commit", "rollback"], started: int) -> None:
        is_used, self.is_used = self.is_used, False
        self._outermost_savepoint = None
        observation = current()
        if observation is None or not is_used:
            return
        alias = self.alias
        now = perf_counter_ns()
        observation.add_step(Step(kind, kind.upper(), alias, (now - started) / 1e6, ended_ns=now))
        if alias == DEFAULT_DB_ALIAS:
            observation.set_transaction_outcome("committed" if kind == "commit" else "rolled_back")


def _outermost_observation() -> Observation | None:
    observation = current()
    while observation is not None and observation.parent is not None:
        observation = observation.parent
    return observation


def _text_of(parse_sql: object, cursor: object) -> str:
    """The text of a statement that is none: bytes, or what psycopg's `sql` module composes."""
    try:
        if isinstance(parse_sql, bytes):
            return parse_sql.decode(errors="replace")
        as_string = getattr(parse_sql, "as_string", None)
        return str(as_string(cursor) if as_string else parse_sql)
    except Exception:  # noqa: BLE001 - a parse_sql that cannot be shown still has to be executed
        return f"<{type(parse_sql).__qualname__}>"
