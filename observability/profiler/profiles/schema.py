"""The tables of the file of profiles. It is a cache: a file of another version is emptied."""

import sqlite3

VERSION = 3

# `number` is the order of the calls. What a list shows stands in rows of its own, which are read fast. There is no
# index beside it: each would be pages to write at every call, and to read 500 rows is quick.
_tables = """
CREATE TABLE profile (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    toolbar_id TEXT,
    is_running INTEGER NOT NULL,
    process INTEGER NOT NULL,
    started_at REAL NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    query TEXT,
    route TEXT,
    status INTEGER,
    duration_ms REAL,
    query_count INTEGER,
    repeated_count INTEGER,
    over_budget INTEGER,
    "transaction" TEXT,
    user_id TEXT,
    failed INTEGER,
    repeat_of TEXT,
    silk_url TEXT
);
CREATE TABLE document (number INTEGER NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (number, kind))
    WITHOUT ROWID;
CREATE TABLE panel (number INTEGER NOT NULL, panel TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (number, panel))
    WITHOUT ROWID;
"""
_names = ("profile", "document", "panel")


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, unless they are there; by one process at a time."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been first.
        if _version(connection) != VERSION:
            for name in _names:
                connection.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in filter(str.strip, _tables.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
