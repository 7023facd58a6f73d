"""Fixtures of all tests."""

import os
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection

from tests.bugsink import Bugsink, why_not_installed
from tests.bugsink import bugsink as own_bugsink
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


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where there is no Bugsink, leave out what needs it, at one place: pytest tells all of it in one line then."""
    if isinstance(item, pytest.Function) and "bugsink" in item.fixturenames and (reason := why_not_installed()):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def bugsink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bugsink]:
    """A real server of Sentry's protocol, which all tests of a run share: each looks for its own requests."""
    with own_bugsink(tmp_path_factory.mktemp("bugsink")) as server:
        yield server
