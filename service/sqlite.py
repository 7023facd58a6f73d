"""SQLite's real limit of parameters, in place of the one that Django 5.2 assumes.

Django splits a `bulk_create()` so that no statement has more than 999 parameters, which was SQLite's default until
version 3.32: 1,000 telemetry frames would take 20 statements instead of one. The library that is loaded knows what it
allows (32,766 by default, 250,000 in Debian's build).
"""

import sqlite3
from contextlib import suppress

from django.db.backends.base.base import BaseDatabaseWrapper


def lift_parameter_limit(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Tell Django the limit of this connection; a receiver of `connection_created`, for SQLite alone."""
    if connection.vendor == "sqlite":
        limit = connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        # Django 6.1 asks the library itself, and cannot be told.
        with suppress(AttributeError):
            connection.features.max_query_params = limit
