"""Use the parameter limit of the loaded SQLite library instead of the one that Django 5.2 assumes.

Django splits a `bulk_create()` so that no statement has more than 999 parameters, the default of SQLite before version
3.32. 1,000 rows with 20 columns would take 21 statements instead of one. The loaded library reports its real limit:
32,766 by default, 250,000 in Debian's build.
"""

import sqlite3
from contextlib import suppress

from django.db.backends.base.base import BaseDatabaseWrapper


def set_parameter_limit(*, connection: BaseDatabaseWrapper, **_: object) -> None:
    """Set the limit of this connection in Django's features, if it is SQLite. A receiver of `connection_created`."""
    if connection.vendor == "sqlite":
        limit = connection.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        # Django 6.1 reads the limit from the library, and its attribute is read-only.
        with suppress(AttributeError):
            connection.features.max_query_params = limit
