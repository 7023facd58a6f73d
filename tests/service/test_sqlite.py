"""The parameter limit of SQLite connections, and its write lock."""

import sqlite3
from collections.abc import Callable
from io import BytesIO

import pytest
from django.db import connection, transaction
from django.test import Client, RequestFactory

from service.api.urls import router
from service.models import User
from settings.wsgi import application
from tests.service.conftest import QueryBudget

# A list of the API.
LIST = f"/api/v1/{router.registry[0][0]}/"


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="the limit is SQLite's")
def test_django_uses_the_parameter_limit_of_the_connection() -> None:
    limit = connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    assert connection.features.max_query_params == limit


@pytest.mark.django_db
def test_thousand_values_need_one_statement(django_assert_query_budget: QueryBudget) -> None:
    with django_assert_query_budget(exact=1):
        User.objects.in_bulk(list(range(1_000)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", [LIST, "/api/v1/auth/token/", "/admin/login/"])
def test_body_is_read_before_the_transaction_begins(path: str) -> None:
    is_atomic: list[bool] = []

    class Body(BytesIO):
        def read(self, *size: int | None) -> bytes:
            is_atomic.append(connection.in_atomic_block)
            return super().read(*size)

    body = b"username=a&password=b"
    environ = RequestFactory().post(path, body, content_type="application/x-www-form-urlencoded").environ
    application.get_response(application.request_class(environ | {"wsgi.input": Body(body)})).close()
    assert is_atomic
    assert not any(is_atomic)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the lock is SQLite's")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "mode"), [("GET", ""), ("HEAD", ""), ("POST", " IMMEDIATE"), ("GET", "")])
def test_only_a_request_that_may_write_takes_the_lock(method: str, mode: str) -> None:
    statements: list[str] = []

    def record_statement(execute: Callable[..., object], sql: str, *others: object) -> object:
        statements.append(sql)
        return execute(sql, *others)

    with connection.execute_wrapper(record_statement):
        Client().generic(method, LIST, headers={"Authorization": "Token x"})
        with transaction.atomic():
            pass
    assert [sql.removesuffix(" DEFERRED") for sql in statements if sql.startswith("BEGIN")] == [
        f"BEGIN{mode}",
        "BEGIN IMMEDIATE",
    ]
