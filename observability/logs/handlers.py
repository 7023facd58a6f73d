"""The handlers of the log files and of stdout, and the count of dropped records.

Many processes and threads write one file without a lock and without lost lines. This is the algorithm:

1. Each line is a single write to a descriptor in append mode. After it, the descriptor's position is the file size.
2. A process that finds the file full renames it and opens a new file. It holds the rotation lock; others do not wait.
3. Only full files are renamed. So a process that still has a renamed file open finds it full, and opens the new file.
4. If that renamed file was deleted by then, its last line is written again to the new file.
5. Once per second each process checks that its open file is still the file at the path. This finds changes by other
   programs, for example logrotate.
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
    """A RotatingFileHandler with the same arguments, for many processes and threads that write the same file.

    A file is renamed to `<file>.1` after the record that fills it, so it may exceed `maxBytes` by about one line. If
    `maxBytes` or `backupCount` is 0, the file is not rotated, and the path is checked before each record, as
    WatchedFileHandler does. If a line is longer than `maxLineBytes`, its longest values are truncated, and the key
    `truncated` has their names. New files have the mode 0600. The encoding is UTF-8.

    The code that logs never gets an exception. Records that cannot be written (no space, no directory, no permission)
    are counted, and stderr gets at most one message per second. The handler tries to write each new record. After the
    first success it logs the record `log_records_dropped` with the number of dropped records.

    The handler may be created before a fork. On a system without flock (Windows), only one process may write.
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
                raise ValueError(f"{name} is {value!r}. Allowed: a whole number, {minimum} or more")
        # The stream of the base class is never opened, because its buffer would delay lines.
        super().__init__(filename, mode, maxBytes, backupCount, encoding, delay=True, errors=errors)
        self.maxLineBytes = maxLineBytes
        self._rotates = maxBytes > 0 and backupCount > 0
        self._file: LogFile | None = None
        self._next_check_at = 0.0
        self._dropped = DroppedRecords(self.baseFilename)
        self._follows_fragment = False
        if not HAS_FLOCK:
            warnings.warn(
                f"Only one process may write {self.baseFilename}, because this system has no flock.",
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
                # The next record checks the path again.
                self._next_check_at = 0.0

    def close(self) -> None:
        """Close the file. A later record opens it again."""
        with self._locked():
            self._dropped.close()
            self._file = None
        super().close()

    def doRollover(self) -> None:  # noqa: N802 - the standard library's name
        """Rename the file to `<file>.1` now, even if it is not full. No-op if another process renames it meanwhile."""
        with self._locked():
            self._move_to_backup(self._file or LogFile(self.baseFilename), min_bytes=0)
            self._file = None

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: ARG002, N802 - the standard library's name
        """Return False, because the file is checked after each record, not before it."""
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
        """Return the file at the path. Open it if another file is open."""
        with self._locked():
            self._next_check_at = now + (PATH_CHECK_INTERVAL_S if self._rotates else 0)
            file = self._file
            if file is None or file.detach_if_closed():
                self._file = file = LogFile(self.baseFilename)
            elif not file.update_checked_size(self.baseFilename):
                self._file = file = self._reopen(file)
            return file

    def _reopen(self, file: LogFile) -> LogFile:
        try:
            opened = LogFile(self.baseFilename)
        except OSError as error:
            if file.is_linked:
                # The directory was renamed, or its permissions were removed, but the open file still exists.
                self._dropped.warn(f"cannot be reopened: {error}")
                return file
            self._file = None
            self._dropped.add(error, file.read_since_check().count(b"\n"))
            raise
        if not file.is_linked and not (self._rotates and file.size >= self.maxBytes):
            # The file was deleted, but not by rotation: copy its lines since the last check to the new file.
            self._rescue_lines(file, opened)
        return opened

    def _rescue_lines(self, deleted: LogFile, opened: LogFile) -> None:
        with rotation.rotation_lock(self.baseFilename) as lock:
            # If another process has the lock, it rotates or copies lines itself. Lines that it does not have are lost.
            rescued = deleted.read_since_check() if lock is None else deleted.claim_since_check(lock)
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
                if not file.update_checked_size(self.baseFilename):
                    # The next record opens the new file, or continues with this one if that fails.
                    self._next_check_at = 0.0
        if is_deleted:
            self._append(line)

    def _move_to_backup(self, file: LogFile, *, min_bytes: int) -> None:
        try:
            with rotation.rotation_lock(self.baseFilename) as lock:
                if (
                    lock is not None
                    and file.update_checked_size(self.baseFilename)
                    and file.size >= min_bytes
                    and self.backupCount > 0
                ):
                    rotation.move_backups(self._backup, self.backupCount)
                    self.rotate(self.baseFilename, self._backup(1))
        except OSError as error:
            # No record is lost: the file continues to grow.
            self._dropped.warn(f"cannot be rotated: {error}")

    def _backup(self, number: int) -> str:
        return self.rotation_filename(f"{self.baseFilename}.{number}")

    def _hide_fragment(self, file: LogFile, fragment: bytes) -> OSError:
        """Hide the start of a line that did not fit on the disk. Return the error to raise."""
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
    """Write to stdout. In a management command that is not a server, write to stderr.

    The stdout of a command is its result: with `manage.py dumpdata > file`, log lines would be in the file. Container
    engines collect both streams.
    """

    def __init__(self) -> None:
        super().__init__(sys.stderr if owns_stdout(sys.argv) else sys.stdout)


class DroppedRecords:
    """Count the records that were dropped since the last successful write.

    `target` names the file or server in the messages. Each handler creates an instance and uses it under a lock.
    """

    def __init__(self, target: str) -> None:
        self.count = 0
        self._failures = Diagnostics(f"logging: {target}")
        self._recoveries = Diagnostics(f"logging: {target}")

    def add(self, reason: object, count: int = 1) -> None:
        """Add to the number of dropped records, and report the reason."""
        self.count += count
        self._failures.write(f"cannot be written: {reason}; {format_count(self.count, 'record')} dropped so far")

    def warn(self, text: str) -> None:
        """Report a problem by which no record was dropped yet."""
        self._failures.write(text)

    def take_count(self) -> int:
        """Return the number of dropped records and start again from 0.

        The recovery is reported at most once per second, because the next record may fail again.
        """
        count, self.count = self.count, 0
        if count:
            self._recoveries.write(f"can be written again; {format_count(count, 'record')} dropped before")
        return count

    def close(self) -> None:
        """Report the records that were dropped since the last successful write."""
        if self.count:
            self._failures.write(f"was closed; {format_count(self.count, 'record')} dropped", always=True)
            self.count = 0


def dropped_count_record(count: int, **facts: object) -> logging.LogRecord:
    """Return the log record `log_records_dropped` with the number of dropped records."""
    return logging.makeLogRecord({
        "name": "observability.logs", "levelno": logging.WARNING, "levelname": "WARNING", "msg": LOG_RECORDS_DROPPED,
        "facts": {"dropped_count": count, **facts},
    })  # fmt: skip
