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
def migrations_unchecked() -> Iterator[None]:
    """Start each test as a process that has not checked its migrations yet."""
    require_migrations.cache_clear()
    yield
    require_migrations.cache_clear()


def refuse(_execute: Callable[..., object], *_: object) -> object:
    raise OperationalError(SECRET)


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_healthy_process_returns_200(path: str) -> None:
    response = Client().get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_response_is_not_cacheable_and_sets_no_cookie(path: str) -> None:
    response = Client().get(path)
    assert (response.headers["Cache-Control"], response.has_header("Vary")) == ("no-store", False)
    assert not response.cookies


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_head_returns_200_without_a_body(path: str) -> None:
    response = Client().head(path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_allowed(method: str, path: str) -> None:
    assert Client(enforce_csrf_checks=True).generic(method, path).status_code == 405


@pytest.mark.parametrize("path", PATHS)
def test_query_count_does_not_depend_on_the_number_of_trucks(
    path: str, django_assert_constant_queries: ConstantQueries
) -> None:
    django_assert_constant_queries(make_trucks, lambda: Client().get(path))


@pytest.mark.django_db
def test_livez_needs_no_query(django_assert_query_budget: QueryBudget) -> None:
    with django_assert_query_budget(exact=0):
        Client().get("/livez")


@pytest.mark.django_db
def test_readyz_needs_one_query_after_its_first_200(
    django_assert_query_budget: QueryBudget,
) -> None:
    Client().get("/readyz")
    with django_assert_query_budget(exact=1):
        Client().get("/readyz")


@pytest.mark.django_db
def test_readyz_opens_no_transaction() -> None:
    statements: list[str] = []

    def record_statement(execute: Callable[..., object], sql: str, *others: object) -> object:
        statements.append(sql)
        return execute(sql, *others)

    Client().get("/readyz")
    with connection.execute_wrapper(record_statement):
        Client().get("/readyz")
    assert statements == ["SELECT 1"]


@pytest.mark.django_db
def test_readyz_returns_503_until_all_migrations_are_applied() -> None:
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("service")
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied(app, newest)
    behind = Client().get("/readyz")
    recorder.record_applied(app, newest)
    assert (behind.status_code, behind.json()) == (
        503,
        {"status": "not ready", "problem": "1 migration is not applied: run `manage.py migrate`"},
    )
    assert Client().get("/readyz").status_code == 200


@pytest.mark.django_db
def test_readyz_reports_the_class_of_a_database_error_without_its_message() -> None:
    with connection.execute_wrapper(refuse):
        response = Client().get("/readyz")
    assert (response.status_code, response.json()) == (
        503,
        {"status": "not ready", "problem": "the database does not answer: OperationalError"},
    )


@pytest.mark.django_db
def test_livez_returns_200_without_a_database() -> None:
    with connection.execute_wrapper(refuse):
        assert Client().get("/livez").status_code == 200


class OtherDatabase:
    """A router that keeps the tables of the service in another database."""

    def allow_migrate(self, db: str, app_label: str, **_: object) -> bool | None:
        return False if app_label == "service" else None


@pytest.mark.django_db
def test_readyz_ignores_migrations_of_another_database(settings: Settings) -> None:
    MigrationRecorder(connection).record_unapplied("service", "0001_initial")
    settings.DATABASE_ROUTERS = [OtherDatabase()]
    assert Client().get("/readyz").status_code == 200
