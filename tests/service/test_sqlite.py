"""The parameter limit of SQLite connections."""

import sqlite3

import pytest
from django.db import connection

from service.models import User
from tests.service.conftest import QueryBudget


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="the limit is SQLite's")
def test_django_uses_the_parameter_limit_of_the_connection() -> None:
    limit = connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    assert connection.features.max_query_params == limit


@pytest.mark.django_db
def test_thousand_values_need_one_statement(django_assert_query_budget: QueryBudget) -> None:
    with django_assert_query_budget(exact=1):
        User.objects.in_bulk(list(range(1_000)))
