"""Fixtures of all tests."""

import pytest
from django.db import DatabaseError, connection

from tests.databases import server_cursor

pytest_plugins = ["observability.budgets.plugin"]


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
