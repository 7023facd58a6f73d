"""Each way in which a transaction can end, in a test's savepoint and under a real server with a real transaction."""

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

# The way, its status, what the access line says of its transaction, and the rows that it leaves.
WAYS = [
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

# Ways in which a real transaction alone can go. After an error PostgreSQL rolls back, also where it is told to commit.
REAL_WAYS = [
    ("write-orphan", 500, "rolled_back", []),
    ("write-then-close", 200, "rolled_back", []),
    (
        "write-then-catch",
        409,
        *(("rolled_back", []) if connection.vendor == "postgresql" else ("committed", ["{name}"])),
    ),
]

# How many queries each way makes, on every database.
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
@pytest.mark.parametrize(("way", "status", "outcome", "rows"), WAYS + REAL_WAYS)
def test_transaction_of_a_request_under_a_server(
    server: Server, way: str, status: int, outcome: str, rows: list[str]
) -> None:
    answer = server.get(f"/{way}/{way}-row/")
    line = server.access_line(answer.headers["X-Request-ID"])
    assert (answer.status, line["db.transaction"]) == (status, outcome)
    assert line["db.query_count"] == QUERY_COUNTS.get(way, 1)
    assert rows_of(server, f"{way}-row") == [row.format(name=f"{way}-row") for row in rows]


@pytest.mark.django_db
@pytest.mark.urls("tests.probe.urls")
@pytest.mark.parametrize(("way", "status", "outcome", "rows"), WAYS)
def test_transaction_of_a_request_inside_of_a_test(
    client: Client, closed: list[Observation], way: str, status: int, outcome: str, rows: list[str]
) -> None:
    client.raise_request_exception = False
    answer = client.get(f"/{way}/{way}/")
    b"".join(answer)
    assert (answer.status_code, closed[0].transaction) == (status, outcome)
    assert [each.name for each in Publisher.objects.all()] == [row.format(name=way) for row in rows]


@pytest.mark.django_db(transaction=True)
def test_transaction_control_is_no_query() -> None:
    with observe("work") as observation, transaction.atomic():
        Publisher.objects.create(name="one")
        with transaction.atomic():
            Publisher.objects.create(name="two")
    assert (observation.query_count, observation.transaction) == (2, "committed")


@pytest.mark.django_db(transaction=True)
def test_empty_transaction_is_none() -> None:
    with observe("work") as observation, transaction.atomic():
        pass
    assert observation.transaction == "none"


@pytest.mark.django_db(transaction=True)
def test_queries_outside_of_a_transaction_have_none() -> None:
    with observe("work") as observation:
        Publisher.objects.create(name="one")
    assert (observation.query_count, observation.transaction) == (1, "none")


@pytest.mark.django_db(transaction=True)
def test_one_transaction_of_several_that_was_rolled_back_is_told() -> None:
    with observe("work") as observation:
        with transaction.atomic():
            Publisher.objects.create(name="lost")
            transaction.set_rollback(True)
        with transaction.atomic():
            Publisher.objects.create(name="kept")
    assert observation.transaction == "rolled_back"


@pytest.mark.django_db(transaction=True)
def test_connection_that_is_closed_inside_of_a_transaction_rolled_it_back() -> None:
    with observe("work") as observation, transaction.atomic():
        Publisher.objects.create(name="lost")
        connection.close()
    assert observation.transaction == "rolled_back"


@pytest.mark.django_db
def test_transaction_of_another_database_is_a_step_and_not_the_transaction_of_the_work() -> None:
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
def test_new_connection_costs_no_query() -> None:
    with observe("work") as observation:
        connection.close()
        Publisher.objects.exists()
    assert observation.query_count == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("ending", "outcome"), [("commit", "committed"), ("rollback", "rolled_back"), ("nothing", "none")]
)
def test_transaction_by_hand_is_told(ending: str, outcome: str) -> None:
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
def test_end_of_a_transaction_that_never_began_is_none(ending: str) -> None:
    """In autocommit mode each statement is its own; COMMIT has nothing left to do."""
    with observe("work") as observation:
        Publisher.objects.exists()
        getattr(connection, ending)()
    assert observation.transaction == "none"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="other databases roll back DDL with its transaction")
def test_ddl_commits_what_came_before_it() -> None:
    with observe("work") as observation, transaction.atomic(), connection.cursor() as cursor:
        Publisher.objects.create(name="kept")
        cursor.execute("CREATE TABLE IF NOT EXISTS probe_publisher (id INTEGER)")
        transaction.set_rollback(True)
    assert (observation.transaction, Publisher.objects.count()) == ("committed", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="other databases leave the transaction to the application")
def test_victim_of_a_deadlock_is_rolled_back_although_its_error_is_handled() -> None:
    one, other = (Publisher.objects.create(name=name) for name in ("one", "other"))
    meeting = Barrier(2, timeout=10)

    def rename(first: Publisher, second: Publisher) -> tuple[bool, str]:
        # Statements of its own: `update()` would mark the transaction to be rolled back.
        statement = "UPDATE probe_publisher SET name = CONCAT(name, '.') WHERE id = %s"
        is_victim = False
        try:
            with observe("work") as observation, transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, [first.pk])
                meeting.wait()
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
def test_work_inside_of_work_counts_in_both() -> None:
    with observe("outer") as outer:
        Publisher.objects.exists()
        with observe("inner") as inner:
            Publisher.objects.exists()
    assert (outer.query_count, inner.query_count) == (2, 1)
    assert (inner.request_id, inner.trace_id) == (outer.request_id, outer.trace_id)
    assert (inner.parent_span_id, outer.parent_span_id) == (outer.span_id, None)


@pytest.mark.django_db(transaction=True)
def test_transaction_inside_of_work_inside_of_work_is_told_of_both() -> None:
    with observe("outer") as outer, observe("inner") as inner, transaction.atomic():
        Publisher.objects.create(name="one")
    assert (outer.transaction, inner.transaction) == ("committed", "committed")
    assert [step.kind for step in outer.last_steps] == ["query", "commit"]


@pytest.mark.django_db(transaction=True)
def test_wrapper_that_is_there_while_a_connection_opens_takes_the_recorder_not_away() -> None:
    recorders = [each for each in connection.execute_wrappers if isinstance(each, database.QueryRecorder)]
    connection.execute_wrappers.remove(recorders[0])
    with connection.execute_wrapper(lambda execute, *arguments: execute(*arguments)):
        database.install()
    with observe("work") as observation:
        Publisher.objects.exists()
    assert observation.query_count == 1


@pytest.mark.django_db(transaction=True)
def test_connection_whose_wrappers_were_replaced_tells_a_transaction_once() -> None:
    connection.execute_wrappers = []
    database.install()
    with observe("work") as observation:
        details = observation.timeline = Timeline()
        with transaction.atomic():
            pass
    assert [entry.step.kind for entry in details.entries] == ["begin", "commit"]


@pytest.mark.django_db
def test_statement_that_is_no_text_reaches_the_database_as_it_is() -> None:
    """Psycopg takes bytes, and statements that its `sql` module composes."""

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
def test_connection_is_recorded_once_however_often_it_opens() -> None:
    database.install()
    database.install_on(connection)
    with observe("work") as observation:
        Publisher.objects.exists()
    assert observation.query_count == 1


@pytest.mark.django_db
def test_query_that_fails_is_counted() -> None:
    with observe("work") as observation, pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")
    assert observation.query_count == 1
