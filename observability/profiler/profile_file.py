"""The SQLite file of profiles: its tables, and one connection per process. Several processes share it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from observability.conf import configuration, shared_file
from observability.files import create_private_file, locked_directory, make_private_directory

PROFILE_FILE = "profiles.sqlite3"
# The time to wait while another process writes.
LOCK_TIMEOUT_S = 2
MAX_WAL_BYTES = 8 * 1024 * 1024
# The file is only a cache, so a file with another version is emptied.
SCHEMA_VERSION = 4

# `number` is the order of the requests. The values of the list are in a table without the documents, which is fast to
# read. Other indexes would add pages to write for each request, and 500 rows are scanned quickly without them.
_schema = """
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
_tables = ("profile", "document", "panel")


def profile_path() -> Path:
    """Return the path of the profile file. It is in VAR_DIR, or in `var` of the code root if VAR_DIR is empty."""
    return shared_file(PROFILE_FILE) or Path(configuration().code_root or Path.cwd()) / "var" / PROFILE_FILE


class ProfileFile:
    """The connection of a process to the file. It is opened on first use. One thread at a time can use it.

    A forked process opens a new connection. If the file was deleted, it is created again. Writes do not wait for the
    disk, so the last profiles before a power failure may be lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int, int] | None = None
        self._parent_connections: list[sqlite3.Connection] = []

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Run the block in a transaction, and roll back if the block raises. Raises `sqlite3.Error`, `OSError`."""
        with self._thread_lock():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for reading. Raises `sqlite3.Error`, `OSError`."""
        with self._thread_lock():
            yield self._open()

    def close(self) -> None:
        """Close the connection of this process. The next use opens it again."""
        with self._thread_lock():
            if self._connection is not None and self._opened_as and self._opened_as[0] == os.getpid():
                self._connection.close()
                self._connection = None

    def _thread_lock(self) -> RLock:
        if self._process != os.getpid():
            # After a fork, the lock may be held by a thread of the parent that does not exist in this process.
            self._lock, self._process = RLock(), os.getpid()
        return self._lock

    def _open(self) -> sqlite3.Connection:
        identity = self._identity()
        if self._connection is None or self._opened_as != identity:
            if self._connection is not None and self._opened_as and self._opened_as[0] != os.getpid():
                # A forked process must not use or close the connection of its parent.
                self._parent_connections.append(self._connection)
            elif self._connection is not None:
                self._connection.close()
            # If the next line fails, the closed connection must not be used.
            self._connection = None
            self._connection = self._connect()
            self._opened_as = self._identity()
        return self._connection

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return os.getpid(), status.st_dev, status.st_ino

    def _connect(self) -> sqlite3.Connection:
        make_private_directory(self.path.parent)
        # Only one process at a time can switch a new file to write-ahead logging (WAL). Others would get an error.
        with locked_directory(self.path.parent):
            self._create()
            connection = sqlite3.connect(
                self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                for pragma in ("journal_mode = WAL", "synchronous = OFF", f"journal_size_limit = {MAX_WAL_BYTES}"):
                    connection.execute(f"PRAGMA {pragma}")
                _create_tables(connection)
            except BaseException:
                connection.close()
                raise
        connection.row_factory = sqlite3.Row
        return connection

    def _create(self) -> None:
        if not self.path.exists():
            # These files may be left over from a deleted file, and other processes may have them open.
            for suffix in ("-wal", "-shm"):
                self.path.with_name(f"{self.path.name}{suffix}").unlink(missing_ok=True)
        # SQLite creates its -wal and -shm files with the same mode.
        create_private_file(self.path)


def _create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables, unless the file already has this version."""
    if _schema_version(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have created the tables meanwhile.
        if _schema_version(connection) != SCHEMA_VERSION:
            for table in _tables:
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in filter(str.strip, _schema.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _schema_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
