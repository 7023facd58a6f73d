"""The database that DATABASE_URL names: SQLite, PostgreSQL, or MariaDB and MySQL.

Options in the URL's query (`?sslmode=verify-full`) come over the ones that are set here.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from settings import environment

SQLITE, POSTGRESQL, MYSQL = (f"django.db.backends.{name}" for name in ("sqlite3", "postgresql", "mysql"))

# As many as a gunicorn worker has threads at most: each request holds one connection until its transaction ends.
POOL_SIZE = 16
# After this time without a free connection a request fails, which is better than a queue that only grows.
POOL_TIMEOUT_S = 10


def databases(*, default_url: str, is_pooled: bool = True) -> dict[str, Any]:
    """Return DATABASES for DATABASE_URL; each request runs in a transaction.

    Raises ImproperlyConfigured if the URL is wrong, or the driver of the database is not installed.
    """
    entry = database("DATABASE_URL", default_url=default_url) | {"ATOMIC_REQUESTS": True}
    pool_size = environment.number(
        "DATABASE_POOL_SIZE",
        int,
        default=POOL_SIZE,
        allowed="the largest number of connections of a process to PostgreSQL, 0 for no pool",
        is_allowed=lambda size: size >= 0,
    )
    # Django refuses a pool of persistent connections: a URL with conn_max_age asks for the latter.
    if entry["ENGINE"] == POSTGRESQL and is_pooled and pool_size and not entry.get("CONN_MAX_AGE"):
        entry["OPTIONS"]["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": POOL_TIMEOUT_S}
    return {"default": entry}


def database(variable: str, *, default_url: str) -> dict[str, Any]:
    """The entry of DATABASES that a variable names by a URL, with what its kind of database needs."""
    entry = environment.database(variable, default=default_url)
    if entry["ENGINE"] == SQLITE and entry["NAME"] != ":memory:":
        environment.make_directory(variable, Path(entry["NAME"]).parent)
    defaults = {SQLITE: _sqlite, POSTGRESQL: _postgresql, MYSQL: _mysql}[entry["ENGINE"]]()
    options = defaults.pop("OPTIONS", {}) | entry.get("OPTIONS", {})
    return defaults | entry | {"OPTIONS": options}


def _sqlite() -> dict[str, Any]:
    return {
        "OPTIONS": {
            # A deferred transaction that reads first and then writes fails with "database is locked", at any timeout.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        }
    }


def _postgresql() -> dict[str, Any]:
    if not (find_spec("psycopg") and find_spec("psycopg_pool")):
        raise _driver_missing("PostgreSQL", "requirements-postgresql.txt")
    # The pool tries a connection before it hands it out: none of them outlives a restart of the server.
    return {"CONN_HEALTH_CHECKS": True}


def _mysql() -> dict[str, Any]:
    """The same for MariaDB and MySQL.

    mysqlclient is used if it is installed; otherwise PyMySQL, which needs no compiler, under the same name. Connections
    are not persistent: under ASGI each request has its own thread, whose connection nobody would close.
    """
    if not find_spec("MySQLdb"):
        if not find_spec("pymysql"):
            raise _driver_missing("MariaDB", "requirements-mysql.txt")
        import pymysql

        pymysql.install_as_MySQLdb()
    return {
        # They count for a URL with conn_max_age alone.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "charset": "utf8mb4",
            # Without strict mode values that do not fit are cut, silently.
            "sql_mode": "TRADITIONAL",
            "isolation_level": "read committed",
        },
        # Names that differ by case or accent differ, as on the other databases.
        "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_bin"},
    }


def _driver_missing(database: str, requirements: str) -> ImproperlyConfigured:
    root = Path(__file__).resolve().parent.parent
    is_environment = Path(sys.prefix).resolve() == (root / ".venv").resolve()
    command = "python3 bin/environment.py" if is_environment else f"{sys.executable} -m pip install -r"
    return ImproperlyConfigured(
        f"DATABASE_URL names a {database} database, whose driver is not installed: "
        f"run `{command} {requirements}` in {root}."
    )
