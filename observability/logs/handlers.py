"""The handlers of the log files and of stdout, and the count of records that a handler could not write.

How many processes and threads write one file without a lock and lose no line: each line is one write to a descriptor
that appends. After the write, the position of the descriptor is the size of the file. A writer that sees a full file
moves it away and opens a new one, under the rotation lock; nobody waits for that lock. Only full files are moved. So a
writer that still has a moved file open sees it full, and opens the new one. If retention deleted the file meanwhile,
the line is written again. Once per second each writer compares its file with the path, and finds what others did to it,
for example logrotate.
"""

import codecs
import errno
import logging
import os
import sys
import time
import warnings
from contextlib import AbstractContextManager
from logging.handlers import RotatingFileHandler
from typing import Any, TextIO, cast

from observability.core.diagnostics import Diagnostics
from observability.files import HAS_FLOCK
from observability.logs import rotation
from observability.logs.formatters import truncate_line
from observability.logs.rotation import LogFile
from observability.recorders.commands import owns_stdout
from observability.text import format_count

MAX_LINE_BYTES = 65_536
MIN_LINE_BYTES = 1_024
PATH_CHECK_INTERVAL_S = 1.0
LOG_RECORDS_DROPPED = "log_records_dropped"

_plain = logging.Formatter()


class SharedRotatingFileHandler(RotatingFileHandler):
    """A RotatingFileHandler for many processes and threads that write one file, with the same arguments.

    The record that fills a file moves it to `<file>.1`, so a file may exceed `maxBytes` by about one line. If
    `maxBytes` or `backupCount` is 0, nothing is moved, and the path is checked before each record, as
    WatchedFileHandler does. The longest values of a line over `maxLineBytes` are truncated; the key `truncated` names
    them. Files have the mode 0640, less the umask. The encoding is UTF-8.

    The code that logs never gets an exception. Records that cannot be written (no space, no directory, no permission)
    are counted and reported on stderr at most once per second. Every record tries again; after the first one that is
    written, a record `log_records_dropped` has the number of those that are missing.

    It may be created before a fork. On a system without flock (Windows), only one process may write.
    """

    def __init__(  # noqa: PLR0917 - the arguments of the standard library
        self,
        filename: str | os.PathLike[str],
        mode: str = "a",
        maxBytes: int = 0,  # noqa: N803 - the names of the standard library
        backupCount: int = 0,  # noqa: N803
        encoding: str | None = None,
        delay: bool = False,  # noqa: FBT001, FBT002
        errors: str | None = None,
        maxLineBytes: int = MAX_LINE_BYTES,  # noqa: N803
    ) -> None:
        if mode != "a":
            raise ValueError(f"mode is {mode!r}. Allowed: 'a', because other processes write to the same file")
        if encoding is not None and codecs.lookup(encoding).name != "utf-8":
            raise ValueError(f"encoding is {encoding!r}. Allowed: utf-8, because log files are read as UTF-8")
        for name, value, minimum in (
            ("maxBytes", maxBytes, 0), ("backupCount", backupCount, 0), ("maxLineBytes", maxLineBytes, MIN_LINE_BYTES)
        ):  # fmt: skip
            if type(value) is not int or value < minimum:
                raise ValueError(f"{name} is {value!r}. Allowed: a whole number from {minimum}")
        # The stream of the base class stays closed: its buffer would delay lines.
        super().__init__(filename, mode, maxBytes, backupCount, encoding, delay=True, errors=errors)
        self.maxLineBytes = maxLineBytes
        self._rotates = maxBytes > 0 and backupCount > 0
        self._file: LogFile | None = None
        self._next_check_at = 0.0
        self._dropped = DroppedRecords(self.baseFilename)
        self._follows_fragment = False
        if not HAS_FLOCK:
            warnings.warn(
                f"This system has no flock: only one process may write {self.baseFilename}.",
                RuntimeWarning,
                stacklevel=2,
            )
        if not delay:
            self._file = LogFile(self.baseFilename)

    def handle(self, record: logging.LogRecord) -> Any:  # noqa: ANN401 - a boolean; the record from Python 3.12 on
        """Filter and write the record, without the lock of the base class."""
        passed: Any = not self.filters or self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record once, and append its line."""
        try:
            text = f"{(self.formatter or _plain).format(record)}\n"
            line = text.encode() if text.isascii() else self._encode(text)
            self._append(line if len(line) <= self.maxLineBytes else truncate_line(line, self.maxLineBytes))
        except Exception as error:  # noqa: BLE001 - logging must not break the work
            with self._locked():
                self._dropped.add(error)
                # The next record checks the path.
                self._next_check_at = 0.0

    def close(self) -> None:
        """Close the file. A later record opens it again."""
        with self._locked():
            self._dropped.close()
            self._file = None
        super().close()

    def doRollover(self) -> None:  # noqa: N802 - the standard library's name
        """Move the file to `<file>.1` now, full or not. No-op while another process moves it."""
        with self._locked():
            self._move_to_backup(self._file or LogFile(self.baseFilename), min_bytes=0)
            self._file = None

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: ARG002, N802 - the standard library's name
        """Return False: the file is checked after each record, not before."""
        return False

    def _encode(self, line: str) -> bytes:
        try:
            return line.encode()
        except UnicodeEncodeError:
            return line.encode("utf-8", self.errors or "backslashreplace")

    def _append(self, line: bytes) -> None:
        now = time.monotonic()
        file = self._file
        if file is None or now >= self._next_check_at:
            file = self._check_path(now)
        data = b"\n" + line if self._follows_fragment else line
        written = os.write(file.descriptor, data)
        if written < len(data):
            raise self._hide_fragment(file, data[:written])
        self._follows_fragment = False
        if self._dropped.count:
            self._log_dropped_count()
        if self._rotates and file.is_regular and os.lseek(file.descriptor, 0, os.SEEK_CUR) >= self.maxBytes:
            self._rotate_full_file(file, line)

    def _check_path(self, now: float) -> LogFile:
        """Return the file at the path; open it if the file that is open is another one."""
        with self._locked():
            self._next_check_at = now + (PATH_CHECK_INTERVAL_S if self._rotates else 0)
            file = self._file
            if file is None or file.detach_if_closed():
                self._file = file = LogFile(self.baseFilename)
            elif not file.update_seen_size(self.baseFilename):
                self._file = file = self._reopen(file)
            return file

    def _reopen(self, file: LogFile) -> LogFile:
        try:
            opened = LogFile(self.baseFilename)
        except OSError as error:
            if file.is_linked:
                # The directory was moved or has lost its permissions, but the open file still exists.
                self._dropped.warn(f"cannot be opened again: {error}")
                return file
            self._file = None
            self._dropped.add(error, file.read_unseen().count(b"\n"))
            raise
        if not file.is_linked and not (self._rotates and file.size >= self.maxBytes):
            # Somebody deleted it, and not by rotation: rescue what was written since the last check.
            self._rescue_lines(file, opened)
        return opened

    def _rescue_lines(self, deleted: LogFile, opened: LogFile) -> None:
        with rotation.rotation_lock(self.baseFilename) as lock:
            # Another process that holds the lock moves or rescues files. What only this one could rescue is dropped.
            rescued = deleted.read_unseen() if lock is None else deleted.claim_unseen(lock)
        try:
            written = os.write(opened.descriptor, rescued) if lock is not None else 0
        except OSError:
            written = 0
        if written < len(rescued):
            self._dropped.add("its file was deleted", rescued[written:].count(b"\n"))

    def _rotate_full_file(self, file: LogFile, line: bytes) -> None:
        with self._locked():
            is_deleted = not file.is_linked
            if file is self._file:
                if not is_deleted:
                    self._move_to_backup(file, min_bytes=self.maxBytes)
                if not file.update_seen_size(self.baseFilename):
                    # The next record opens the new file, or keeps this one if that fails.
                    self._next_check_at = 0.0
        if is_deleted:
            self._append(line)

    def _move_to_backup(self, file: LogFile, *, min_bytes: int) -> None:
        try:
            with rotation.rotation_lock(self.baseFilename) as lock:
                if (
                    lock is not None
                    and file.update_seen_size(self.baseFilename)
                    and file.size >= min_bytes
                    and self.backupCount > 0
                ):
                    rotation.move_backups(self._backup, self.backupCount)
                    self.rotate(self.baseFilename, self._backup(1))
        except OSError as error:
            # Nothing is lost: the file keeps growing.
            self._dropped.warn(f"cannot be moved away: {error}")

    def _backup(self, number: int) -> str:
        return self.rotation_filename(f"{self.baseFilename}.{number}")

    def _hide_fragment(self, file: LogFile, fragment: bytes) -> OSError:
        """Hide the beginning of a line that did not fit on the disk, and return the error to raise."""
        self._follows_fragment = not file.overwrite_fragment(self.baseFilename, fragment)
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _log_dropped_count(self) -> None:
        with self._locked():
            count = self._dropped.take_count()
        if count:
            record = dropped_count_record(count, **{"log.file.path": self.baseFilename})
            try:
                self._append(self._encode(f"{self.format(record)}\n"))
            except Exception as error:  # noqa: BLE001 - the count is reported later
                with self._locked():
                    self._dropped.add(error, count)

    def _locked(self) -> AbstractContextManager[object]:
        """Return the lock of the base class, which `logging` replaces after a fork."""
        return cast("AbstractContextManager[object]", self.lock)


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Write to stdout; in a management command that is not a server, write to stderr.

    The stdout of a command is its result: a log line would end up in the file of `manage.py dumpdata > file`. Container
    engines collect both streams.
    """

    def __init__(self) -> None:
        super().__init__(sys.stderr if owns_stdout(sys.argv) else sys.stdout)


class DroppedRecords:
    """The number of records that were dropped since the last one that was written.

    `target` names in the messages what could not be written. Each handler creates one, and calls it under a lock.
    """

    def __init__(self, target: str) -> None:
        self.count = 0
        self._failures = Diagnostics(f"logging: {target}")
        self._recoveries = Diagnostics(f"logging: {target}")

    def add(self, reason: object, count: int = 1) -> None:
        """Count records that were dropped for this reason."""
        self.count += count
        self._failures.write(f"cannot be written: {reason}; {format_count(self.count, 'record')} dropped so far")

    def warn(self, text: str) -> None:
        """Report a problem that has dropped no record yet."""
        self._failures.write(text)

    def take_count(self) -> int:
        """Return the number of dropped records and start again from 0.

        The recovery is reported at most once per second too: the next record may fail again.
        """
        count, self.count = self.count, 0
        if count:
            self._recoveries.write(f"is written again; {format_count(count, 'record')} dropped")
        return count

    def close(self) -> None:
        """Report what was dropped and will not be reported by a later record."""
        if self.count:
            self._failures.write(f"was closed; {format_count(self.count, 'record')} dropped", always=True)
            self.count = 0


def dropped_count_record(count: int, **facts: object) -> logging.LogRecord:
    """Return the log record which says how many records are missing from the log."""
    return logging.makeLogRecord({
        "name": "observability.logs", "levelno": logging.WARNING, "levelname": "WARNING", "msg": LOG_RECORDS_DROPPED,
        "facts": {"dropped_count": count, **facts},
    })  # fmt: skip
