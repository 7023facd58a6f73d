"""Fixtures of all tests."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import DatabaseError, connection

from observability.testing import query_count
from tests.databases import server_cursor


def pytest_configure(config: pytest.Config) -> None:
    """End with one sentence where the database server of the tests cannot be reached; each test would fail with it."""
    if connection.vendor == "sqlite":
        return
    try:
        with connection.wrap_database_errors, server_cursor():
            pass
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        message = f"the {connection.vendor} server that DATABASE_URL names cannot be used: {reason}"
        raise pytest.UsageError(message) from None


@pytest.fixture
def assert_query_count() -> Callable[[int], AbstractContextManager[None]]:
    """Give the context manager that fails unless its block runs so many queries, and names those that it ran."""
    return query_count
