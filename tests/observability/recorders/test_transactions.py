"""The outcomes of transactions, in the savepoint of a test and in a real transaction under a real server."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.utils import ConnectionHandler
from django.test import Client

from observability import observe
from observability.core.observation import Observation
from observability.core.timeline import Timeline
from observability.recorders import database
from tests.probe.models import Publisher
from tests.server import Server, Servers

# The name of a view, the status of its response, the outcome of its transaction, and the rows that are stored.
OUTCOMES = [
    ("write", 201, "committed", ["{name}"]),
    ("write-then-raise", 500, "rolled_back", []),
    ("write-then-invalid", 400, "rolled_back", []),
    ("write-then-400", 400, "committed", ["{name}"]),
    ("write-half", 200, "committed", ["{name}"]),
    ("write-outside", 500, "none", ["{name}"]),
    ("read-then-write", 200, "committed", ["{name}"]),
    ("write-many", 200, "committed", ["{name}-1", "{name}-2"]),
    ("write-then-iterate", 200, "committed", ["{name}"]),
]

# Outcomes that need a real transaction. After a failed query, PostgreSQL rolls back even if it gets a COMMIT.
REAL_TRANSACTION_OUTCOMES = [
    ("write-orphan", 500, "rolled_back", []),
    ("write-then-close", 200, "rolled_back", []),
    (
        "write-then-catch",
        409,
        *(("rolled_back", []) if connection.vendor == "postgresql" else ("committed", ["{name}"])),
    ),
]

# The number of queries of these views, on every database; other views run one query.
QUERY_COUNTS = {
    "write-half": 2,
    "read-then-write": 2,
    "write-then-catch": 2,
    "write-orphan": 2,
    "write-then-iterate": 2,
}


@pytest.fixture(scope="module")
def server(servers: Servers) -> Server:
    return servers.get("gunicorn")


def rows_of(server: Server, name: str) -> list[str]:
    found = server.database.rows("SELECT name FROM probe_publisher WHERE name LIKE %s ORDER BY id", f"{name}%")
    return [row[0] for row in found]


@pytest.mark.database
@pytest.mark.parametrize(("view", "status", "outcome", "rows"), OUTCOMES + REAL_TRANSACTION_OUTCOMES)
def test_transaction_of_a_request_under_a_server(
    server: Server, view: str, status: int, outcome: str, rows: list[str]
) -> None:
    answer = server.get(f"/{view}/{view}-row/")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert (answer.status, line["db.transaction"]) == (status, outcome)
    assert line["db.query_count"] == QUERY_COUNTS.get(view, 1)
    assert rows_of(server, f"{view}-row") == [row.format(name=f"{view}-row") for row in rows]


@pytest.mark.django_db
@pytest.mark.urls("tests.probe.urls")
@pytest.mark.parametrize(("view", "status", "outcome", "rows"), OUTCOMES)
def test_transaction_of_a_request_inside_a_test(
    client: Client, closed: list[Observation], view: str, status: int, outcome: str, rows: list[str]
) -> None:
    client.raise_request_exception = False
    answer = client.get(f"/{view}/{view}/")
    b"".join(answer)
    assert (answer.status_code, closed[0].transaction) == (status, outcome)
    assert [each.name for each in Publisher.objects.all()] == [row.format(name=view) for row in rows]


@pytest.mark.django_db(transaction=True)
def test_transaction_control_does_not_count_as_a_query() -> None:
    with observe("work") as observation, transaction.atomic():
        Publisher.objects.create(name="one")
        with transaction.atomic():
            Publisher.objects.create(name="two")
    assert (observation.query_count, observation.transaction) == (2, "committed")


@pytest.mark.django_db(transaction=True)
def test_transaction_without_queries_does_not_count() -> None:
    with observe("work") as observation, transaction.atomic():
        pass
    assert observation.transaction == "none"


@pytest.mark.django_db(transaction=True)
def test_queries_outside_of_a_transaction_have_the_outcome_none() -> None:
    with observe("work") as observation:
        Publisher.objects.create(name="one")
    assert (observation.query_count, observation.transaction) == (1, "none")


@pytest.mark.django_db(transaction=True)
def test_one_rollback_of_several_transactions_decides_the_outcome() -> None:
    with observe("work") as observation:
        with transaction.atomic():
            Publisher.objects.create(name="lost")
            transaction.set_rollback(True)
        with transaction.atomic():
            Publisher.objects.create(name="kept")
    assert observation.transaction == "rolled_back"


@pytest.mark.django_db(transaction=True)
def test_closing_a_connection_rolls_back_its_transaction() -> None:
    with observe("work") as observation, transaction.atomic():
        Publisher.objects.create(name="lost")
        connection.close()
    assert observation.transaction == "rolled_back"


@pytest.mark.django_db
def test_transaction_of_another_database_is_only_a_step() -> None:
    memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    other = ConnectionHandler({"default": {}, "other": memory})["other"]
    other.connect()
    database.install_on(other)
    try:
        with observe("work") as observation:
            other.set_autocommit(False)
            other.cursor().execute("SELECT 1")
            other.commit()
    finally:
        other.close()
    assert [(step.kind, step.source) for step in observation.last_steps] == [("query", "other"), ("commit", "other")]
    assert observation.transaction == "none"


@pytest.mark.django_db(transaction=True)
def test_connecting_does_not_count_as_a_query() -> None:
    with observe("work") as observation:
        connection.close()
        Publisher.objects.exists()
    assert observation.query_count == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ending", "outcome"), [("commit", "committed"), ("rollback", "rolled_back"), ("nothing", "none")]
)
def test_transaction_without_atomic_is_recorded(ending: str, outcome: str) -> None:
    connection.set_autocommit(False)
    try:
        with observe("work") as observation:
            Publisher.objects.create(name="one")
            getattr(connection, ending, lambda: None)()
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert observation.transaction == outcome


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_commit_and_rollback_without_a_transaction_are_ignored(ending: str) -> None:
    """In autocommit mode each query is committed at once, so COMMIT and ROLLBACK have no effect."""
    with observe("work") as observation:
        Publisher.objects.exists()
        getattr(connection, ending)()
    assert observation.transaction == "none"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="other databases roll back DDL with its transaction")
def test_ddl_commits_the_open_transaction() -> None:
    with observe("work") as observation, transaction.atomic(), connection.cursor() as cursor:
        Publisher.objects.create(name="kept")
        cursor.execute("CREATE TABLE IF NOT EXISTS probe_publisher (id INTEGER)")
        transaction.set_rollback(True)
    assert (observation.transaction, Publisher.objects.count()) == ("committed", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="other databases leave the transaction to the application")
def test_deadlock_is_a_rollback_even_if_its_error_is_handled() -> None:
    one, other = (Publisher.objects.create(name=name) for name in ("one", "other"))
    both_hold_a_lock = Barrier(2, timeout=10)

    def rename(first: Publisher, second: Publisher) -> tuple[bool, str]:
        # Execute raw SQL: after a failed `update()`, Django marks the transaction to be rolled back.
        statement = "UPDATE probe_publisher SET name = CONCAT(name, '.') WHERE id = %s"
        is_victim = False
        try:
            with observe("work") as observation, transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, [first.pk])
                both_hold_a_lock.wait()
                try:
                    cursor.execute(statement, [second.pk])
                except OperationalError:
                    is_victim = True
        finally:
            connection.close()
        return is_victim, observation.transaction

    with ThreadPoolExecutor(2) as pool:
        outcomes = [each.result() for each in [pool.submit(rename, one, other), pool.submit(rename, other, one)]]
    assert sorted(outcomes) == [(False, "committed"), (True, "rolled_back")]


@pytest.mark.django_db
def test_queries_of_an_inner_observation_count_in_both() -> None:
    with observe("outer") as outer:
        Publisher.objects.exists()
        with observe("inner") as inner:
            Publisher.objects.exists()
    assert (outer.query_count, inner.query_count) == (2, 1)
    assert (inner.request_id, inner.trace_id) == (outer.request_id, outer.trace_id)
    assert (inner.parent_span_id, outer.parent_span_id) == (outer.span_id, None)


@pytest.mark.django_db(transaction=True)
def test_transaction_in_an_inner_observation_is_the_outcome_of_both() -> None:
    with observe("outer") as outer, observe("inner") as inner, transaction.atomic():
        Publisher.objects.create(name="one")
    assert (outer.transaction, inner.transaction) == ("committed", "committed")
    assert [step.kind for step in outer.last_steps] == ["query", "commit"]


@pytest.mark.django_db(transaction=True)
def test_recorder_stays_installed_after_an_execute_wrapper_block() -> None:
    recorders = [each for each in connection.execute_wrappers if isinstance(each, database.QueryRecorder)]
    connection.execute_wrappers.remove(recorders[0])
    with connection.execute_wrapper(lambda execute, *arguments: execute(*arguments)):
        database.install()
    with observe("work") as observation:
        Publisher.objects.exists()
    assert observation.query_count == 1


@pytest.mark.django_db(transaction=True)
def test_replaced_execute_wrappers_do_not_record_a_transaction_twice() -> None:
    connection.execute_wrappers = []
    database.install()
    with observe("work") as observation:
        timeline = observation.timeline = Timeline()
        with transaction.atomic():
            pass
    assert [entry.step.kind for entry in timeline.entries] == ["begin", "commit"]


@pytest.mark.django_db
def test_query_that_is_not_a_string_is_executed_unchanged() -> None:
    """Psycopg accepts bytes, and objects of its `sql` module."""

    class Composed:
        def as_string(self, _: object) -> str:
            return "SELECT composed"

    executed: list[object] = []
    recorder = next(each for each in connection.execute_wrappers if isinstance(each, database.QueryRecorder))
    with observe("work") as observation:
        for statement in (composed := Composed(), b"SELECT 1"):
            context = {"connection": connection, "cursor": None}
            recorder(lambda sql, *_: executed.append(sql), statement, None, False, context)  # type: ignore[arg-type] # noqa: FBT003
    assert executed == [composed, b"SELECT 1"]
    assert [step.text for step in observation.last_steps] == ["SELECT composed", "SELECT 1"]


@pytest.mark.django_db
def test_second_install_does_not_count_a_query_twice() -> None:
    database.install()
    database.install_on(connection)
    with observe("work") as observation:
        Publisher.objects.exists()
    assert observation.query_count == 1


@pytest.mark.django_db
def test_failed_query_is_counted() -> None:
    with observe("work") as observation, pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")
    assert observation.query_count == 1
