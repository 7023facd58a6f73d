"""The SQLite file of profiles, as a process has it open: shared with other processes, and never Django's business."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from observability.browser.profiles.schema import prepare
from observability.conf import configuration

# For how long one waits for another process that writes, in seconds.
PATIENCE_S = 2
MAX_WAL_BYTES = 8 * 1024 * 1024


class ProfileFile:
    """One connection per process, made when it is first needed; threads take turns.

    A forked process makes its own. A file that was deleted is made anew, one of another version is emptied. It is
    written without waiting for the disk: after a power cut the last calls are of no interest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int, int] | None = None
        self._of_parents: list[sqlite3.Connection] = []

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes; rolled back where the block fails. Raises `sqlite3.Error`, `OSError`."""
        with self._lock:
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
        """A connection to read from; raises as `writing` does."""
        with self._lock:
            yield self._open()

    def _open(self) -> sqlite3.Connection:
        identity = self._identity()
        if self._connection is None or self._opened_as != identity:
            if self._connection is not None and self._opened_as and self._opened_as[0] != os.getpid():
                # A child of a fork must not touch the connection of its parent, not even to close it.
                self._of_parents.append(self._connection)
            elif self._connection is not None:
                self._connection.close()
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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # What calls say is nobody else's; SQLite gives the files beside it the same mode.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = OFF", f"journal_size_limit = {MAX_WAL_BYTES}"):
            connection.execute(f"PRAGMA {pragma}")
        prepare(connection)
        return connection


def profile_path() -> Path:
    """OBSERVABILITY["PROFILE_FILE"], relative to CODE_ROOT, or to the working directory where that is not set."""
    return Path(configuration().code_root or Path.cwd()) / configuration().profile_file
