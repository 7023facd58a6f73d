"""/livez and /readyz"""

from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import Settings

from service.health import require_migrations
from tests.service.conftest import ConstantQueries, QueryBudget
from tests.service.fleet import make_trucks

PATHS = ["/livez", "/readyz"]
SECRET = "the password is hunter2"


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """A process that has not answered yet."""
    require_migrations.cache_clear()
    yield
    require_migrations.cache_clear()


def refuse(_execute: Callable[..., object], *_: object) -> object:
    raise OperationalError(SECRET)


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_healthy_process_answers_ok(path: str) -> None:
    response = Client().get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_answer_is_never_stored_and_names_no_cookie(path: str) -> None:
    response = Client().get(path)
    assert (response.headers["Cache-Control"], response.has_header("Vary")) == ("no-store", False)
    assert not response.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_without_a_body(path: str) -> None:
    response = Client().head(path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_allowed(method: str, path: str) -> None:
    assert Client(enforce_csrf_checks=True).generic(method, path).status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_probe_asks_the_same_however_large_the_fleet_is(
    path: str, django_assert_constant_queries: ConstantQueries
) -> None:
    django_assert_constant_queries(make_trucks, lambda: Client().get(path))


@pytest.mark.django_db
def test_live_process_asks_no_database(django_assert_query_budget: QueryBudget) -> None:
    with django_assert_query_budget(exact=0):
        Client().get("/livez")


@pytest.mark.django_db
def test_ready_process_asks_one_thing_from_its_first_positive_answer_on(
    django_assert_query_budget: QueryBudget,
) -> None:
    Client().get("/readyz")
    with django_assert_query_budget(exact=1):
        Client().get("/readyz")


@pytest.mark.django_db
def test_probe_is_outside_of_any_transaction() -> None:
    statements: list[str] = []

    def note_statement(execute: Callable[..., object], sql: str, *others: object) -> object:
        statements.append(sql)
        return execute(sql, *others)

    Client().get("/readyz")
    with connection.execute_wrapper(note_statement):
        Client().get("/readyz")
    assert statements == ["SELECT 1"]


@pytest.mark.django_db
def test_process_with_missing_migrations_is_not_ready_until_they_are_applied() -> None:
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("service")
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(app, newest)
    behind = Client().get("/readyz")
    recorder.record_applied(app, newest)
    assert (behind.status_code, behind.json()) == (
        503,
        {"status": "not ready", "problem": "1 migrations are not applied: run `manage.py migrate`"},
    )
    assert Client().get("/readyz").status_code == 200


@pytest.mark.django_db
def test_database_that_fails_is_named_by_its_error_alone() -> None:
    with connection.execute_wrapper(refuse):
        response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (
        503,
        {"status": "not ready", "problem": "the database does not answer: OperationalError"},
    )


@pytest.mark.django_db
def test_process_without_its_database_is_alive() -> None:
    with connection.execute_wrapper(refuse):
        assert Client().get("/livez").status_code == 200


class OtherDatabase:
    """A router that keeps the tables of the service elsewhere."""

    def allow_migrate(self, db: str, app_label: str, **_: object) -> bool | None:
        return False if app_label == "service" else None


@pytest.mark.django_db
def test_tables_of_another_database_keep_no_process_waiting(settings: Settings) -> None:
    MigrationRecorder(connection).record_unapplied("service", "0001_initial")
    settings.DATABASE_ROUTERS = [OtherDatabase()]
    assert Client().get("/readyz").status_code == 200
