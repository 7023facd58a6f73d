"""The query recorder records each query of every connection that Django opens.

It is installed when a connection is created, and stays installed. If the middleware set the wrapper, queries of sync
views under ASGI would be missed: they run in another thread with other connections.

A query is a statement of the application or the framework. The count must be the same on every database, so two kinds
of statements are not counted. Transaction control: Django's BEGIN passes the execute wrapper on SQLite, but not on
PostgreSQL. Statements that set up a new connection: they pass the wrapper on MariaDB only.
"""

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from observability.core.context import current
from observability.core.steps import Step
from observability.recorders.query_origin import find_query_origin
from observability.recorders.sql import parse_sql
from observability.recorders.transactions import TransactionRecorder


def install() -> None:
    """Record the queries of all connections from now on, including open connections."""
    connection_created.connect(_install_on_created, dispatch_uid="observability.recorders.database")
    for connection in connections.all(initialized_only=True):
        install_on(connection)


def install_on(connection: BaseDatabaseWrapper) -> None:
    """Record the queries of one connection. Safe to call twice: Django sends `connection_created` at each reconnect."""
    if any(isinstance(wrapper, QueryRecorder) for wrapper in connection.execute_wrappers):
        return
    # If other code replaced the list of execute wrappers, the methods of the connection are still wrapped.
    known = getattr(connection.commit, "__self__", None)
    transactions = known if isinstance(known, TransactionRecorder) else TransactionRecorder(connection)
    # Insert at the start of the list: Django's `execute_wrapper()` removes the last wrapper when its block ends.
    connection.execute_wrappers.insert(0, QueryRecorder(transactions))


def has_open_transaction() -> bool:
    """Return whether this thread has an open transaction on the default database in which a query was executed."""
    return any(
        wrapper.transactions.is_used
        for connection in connections.all(initialized_only=True)
        if connection.alias == DEFAULT_DB_ALIAS
        for wrapper in connection.execute_wrappers
        if isinstance(wrapper, QueryRecorder)
    )


def _install_on_created(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    install_on(connection)


class QueryRecorder:
    """An execute wrapper that adds each query, also a failed one, to the current observation as a step."""

    def __init__(self, transactions: TransactionRecorder) -> None:
        self.transactions = transactions

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: object,
        many: bool,  # noqa: FBT001
        context: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - the result of Django's cursor
        transactions = self.transactions
        text = sql if isinstance(sql, str) else _render_sql(sql, context["cursor"])
        parsed = parse_sql(text, vendor=transactions.connection.vendor)
        if parsed.is_transaction_control or transactions.is_connecting:
            return execute(sql, params, many, context)
        if parsed.commits_implicitly and transactions.commits_implicitly:
            transactions.end_by_database("commit")
        elif not transactions.connection.autocommit:
            transactions.is_used = True
        observation = current()
        failure = ""
        started_ns = perf_counter_ns()
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            transactions.query_failed(error)
            failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            if observation is not None:
                ended_ns = perf_counter_ns()
                duration_ms = (ended_ns - started_ns) / 1e6
                step = Step("query", parsed.text, transactions.alias, duration_ms, parsed.fingerprint, ended_ns)
                # Add to the timeline before the readers get the step: a reader may abort the work in `add_step`.
                timeline = observation.timeline
                if timeline is not None:
                    origin = find_query_origin(parsed.fingerprint, timeline.origin_cache)
                    timeline.add(step, origin=origin, error=failure)
                observation.add_step(step)


def _render_sql(sql: object, cursor: object) -> str:
    """Return the text of a query that is bytes or an object of psycopg's `sql` module."""
    try:
        if isinstance(sql, bytes):
            return sql.decode(errors="replace")
        as_string = getattr(sql, "as_string", None)
        return str(as_string(cursor) if as_string else sql)
    except Exception:  # noqa: BLE001 - a query that cannot be rendered still has to be executed
        return f"<{type(sql).__qualname__}>"
