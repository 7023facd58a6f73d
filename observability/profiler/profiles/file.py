"""The SQLite file of profiles, as a process has it open: shared with other processes, and never Django's business."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from observability.conf import configuration, shared_file
from observability.profiler.profiles.schema import prepare

if sys.platform != "win32":
    import fcntl

PROFILE_FILE = "profiles.sqlite3"
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
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int, int] | None = None
        self._of_parents: list[sqlite3.Connection] = []

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes; rolled back where the block fails. Raises `sqlite3.Error`, `OSError`."""
        with self._turn():
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
        with self._turn():
            yield self._open()

    def close(self) -> None:
        """Close the connection of this process; it is made anew where somebody needs it."""
        with self._turn():
            if self._connection is not None and self._opened_as and self._opened_as[0] == os.getpid():
                self._connection.close()
                self._connection = None

    def _turn(self) -> RLock:
        if self._process != os.getpid():
            # A thread of the parent may have held the lock at the fork, and is not here to release it.
            self._lock, self._process = RLock(), os.getpid()
        return self._lock

    def _open(self) -> sqlite3.Connection:
        identity = self._identity()
        if self._connection is None or self._opened_as != identity:
            if self._connection is not None and self._opened_as and self._opened_as[0] != os.getpid():
                # A child of a fork must not touch the connection of its parent, not even to close it.
                self._of_parents.append(self._connection)
            elif self._connection is not None:
                self._connection.close()
            # What is closed must not be found again where the next one cannot be made.
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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(self.path.parent):
            self._make()
            connection = sqlite3.connect(self.path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
            try:
                for pragma in ("journal_mode = WAL", "synchronous = OFF", f"journal_size_limit = {MAX_WAL_BYTES}"):
                    connection.execute(f"PRAGMA {pragma}")
                prepare(connection)
            except BaseException:
                connection.close()
                raise
        connection.row_factory = sqlite3.Row
        return connection

    def _make(self) -> None:
        if not self.path.exists():
            # Of a file that was deleted, these may be left, and open in other processes: they say what was in it.
            for end in ("-wal", "-shm"):
                self.path.with_name(f"{self.path.name}{end}").unlink(missing_ok=True)
        # What calls say is nobody else's; SQLite gives the files beside it the same mode.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep other processes out that open the file, by a lock on its directory.

    SQLite lets one process alone make a new file one that is written ahead (WAL), and refuses the others at once. Where
    there is no such lock, a file that is open cannot be deleted.
    """
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            # A process that was forked meanwhile has the descriptor too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def profile_path() -> Path:
    """Return the path of the profile file, in VAR_DIR; in `var` of the code root if VAR_DIR is empty."""
    return shared_file(PROFILE_FILE) or Path(configuration().code_root or Path.cwd()) / "var" / PROFILE_FILE
