"""The database of DATABASE_URL: SQLite, PostgreSQL, MariaDB or MySQL.

Options in the query of the URL (`?sslmode=verify-full`) override the options that are set here.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from settings import environment

SQLITE, POSTGRESQL, MYSQL = (f"django.db.backends.{name}" for name in ("sqlite3", "postgresql", "mysql"))

# At least the number of threads of a gunicorn worker: each request holds one connection until its transaction ends.
POOL_SIZE = 16
# If no connection becomes free in this time, the request fails. Without a limit, requests would wait forever.
POOL_TIMEOUT_S = 10


def databases(*, default_url: str, is_pooled: bool = True) -> dict[str, Any]:
    """Return DATABASES for DATABASE_URL; each request runs in a transaction.

    Raise ImproperlyConfigured if the URL is not valid or the driver of the database is not installed.
    """
    entry = database("DATABASE_URL", default_url=default_url) | {"ATOMIC_REQUESTS": True}
    pool_size = environment.number(
        "DATABASE_POOL_SIZE",
        int,
        default=POOL_SIZE,
        allowed="the maximum number of PostgreSQL connections per process: a whole number, or 0 for no pool",
        is_allowed=lambda size: size >= 0,
    )
    # Django does not allow a pool with persistent connections. If the URL has conn_max_age, it gets no pool.
    if entry["ENGINE"] == POSTGRESQL and is_pooled and pool_size and not entry.get("CONN_MAX_AGE"):
        entry["OPTIONS"]["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": POOL_TIMEOUT_S}
    return {"default": entry}


def database(variable: str, *, default_url: str) -> dict[str, Any]:
    """Return an entry of DATABASES for the URL in a variable, with the options for its kind of database."""
    entry = environment.database(variable, default=default_url)
    if entry["ENGINE"] == SQLITE and entry["NAME"] != ":memory:":
        environment.make_directory(variable, Path(entry["NAME"]).parent)
    defaults = {SQLITE: _sqlite, POSTGRESQL: _postgresql, MYSQL: _mysql}[entry["ENGINE"]]()
    options = defaults.pop("OPTIONS", {}) | entry.get("OPTIONS", {})
    return defaults | entry | {"OPTIONS": options}


def _sqlite() -> dict[str, Any]:
    return {
        "OPTIONS": {
            # A deferred transaction that reads and then writes fails with "database is locked", even with a timeout.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        }
    }


def _postgresql() -> dict[str, Any]:
    if not (find_spec("psycopg") and find_spec("psycopg_pool")):
        raise _driver_missing("PostgreSQL", "requirements-postgresql.txt")
    # The pool tests a connection before a request gets it, so requests work after a restart of the server.
    return {"CONN_HEALTH_CHECKS": True}


def _mysql() -> dict[str, Any]:
    """Return the options for MariaDB and MySQL.

    Use mysqlclient if it is installed, otherwise PyMySQL, which needs no compiler. Connections are not persistent:
    under ASGI each request runs in its own thread, and nothing would close the connection of that thread.
    """
    if not find_spec("MySQLdb"):
        if not find_spec("pymysql"):
            raise _driver_missing("MariaDB", "requirements-mysql.txt")
        import pymysql

        pymysql.install_as_MySQLdb()
    return {
        # It has an effect only if the URL has conn_max_age.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "charset": "utf8mb4",
            # Without strict mode, values that are too long are cut off silently.
            "sql_mode": "TRADITIONAL",
            "isolation_level": "read committed",
        },
        # Compare text with case and accents, as the other databases do.
        "TEST": {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_bin"},
    }


def _driver_missing(database: str, requirements: str) -> ImproperlyConfigured:
    root = Path(__file__).resolve().parent.parent
    is_environment = Path(sys.prefix).resolve() == (root / ".venv").resolve()
    command = "python3 bin/environment.py" if is_environment else f"{sys.executable} -m pip install -r"
    return ImproperlyConfigured(
        f"DATABASE_URL is a {database} URL, but the driver for {database} is not installed. "
        f"Run `{command} {requirements}` in {root}."
    )
