"""The handler of the log files: many processes and threads write one file, and none of their lines is lost.

The protocol: a line is one write to a descriptor that appends, without a lock. The descriptor's position after it is
the size of the file; whoever sees the file full moves it away and opens a new one, under a lock that nobody waits for.
Only full files are moved, so that one who still writes to a moved file sees it full, and opens the new one; if the file
was deleted meanwhile by retention, the line is written again. One look a second at the path finds what others did to
it, such as logrotate.
"""

import codecs
import errno
import logging
import os
import time
import warnings
from contextlib import AbstractContextManager
from logging.handlers import RotatingFileHandler
from typing import Any, cast

from observability.files import try_lock_file
from observability.logs import rotation
from observability.logs.encoding import shorten
from observability.logs.log_file import LogFile
from observability.logs.losses import Losses, lost_record

MAX_LINE_BYTES = 65_536
MIN_LINE_BYTES = 1_024
LOOK_AGAIN_S = 1.0


_plain = logging.Formatter()


class SharedRotatingFileHandler(RotatingFileHandler):
    """A RotatingFileHandler for many processes and threads that write one file, with the same arguments.

    A file is moved to `<file>.1` by the record that fills it, so it may be larger than `maxBytes` by a line or so. With
    `maxBytes` or `backupCount` 0 nothing is moved, and the path is looked at before each record, as WatchedFileHandler
    does. A line of more than `maxLineBytes` is cut at its longest values, which its key `truncated` names. Files are
    made with mode 0640, less what the umask takes.

    Nothing is raised into the code that logs. What cannot be written (no space, no directory, no permission) is counted
    and told on stderr once a second; each record tries again, and the first that is written is followed by one that
    says how many were lost (`log_records_lost`).

    A handler may be made before a fork. Where the system has no flock (Windows), one process may write.
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
            raise ValueError(f"mode is {mode!r}: a file that others write too is opened to append, 'a'")
        for name, value, least in (
            ("maxBytes", maxBytes, 0), ("backupCount", backupCount, 0), ("maxLineBytes", maxLineBytes, MIN_LINE_BYTES)
        ):  # fmt: skip
            if type(value) is not int or value < least:
                raise ValueError(f"{name} is {value!r}: a whole number from {least}")
        if encoding is not None:
            codecs.lookup(encoding)
        # The stream of the base class stays closed: its buffer would hold lines back.
        super().__init__(filename, mode, maxBytes, backupCount, encoding, delay=True, errors=errors)
        self._encoding = None if encoding in {None, "utf-8", "utf8"} else encoding
        self.maxLineBytes = maxLineBytes
        self._rotates = maxBytes > 0 and backupCount > 0
        self._file: LogFile | None = None
        self._look_at = 0.0
        self._losses = Losses(self.baseFilename)
        self._follows_fragment = False
        if not rotation.has_flock():
            warnings.warn(
                f"This system has no flock: let one process alone write {self.baseFilename}.",
                RuntimeWarning,
                stacklevel=2,
            )
        if not delay:
            self._file = LogFile(self.baseFilename)

    def handle(self, record: logging.LogRecord) -> Any:  # noqa: ANN401 - a boolean, from Python 3.12 on the record
        """Filter and write, without the lock of the base class."""
        passed: Any = not self.filters or self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record once, and append its line."""
        try:
            text = f"{(self.formatter or _plain).format(record)}\n"
            line = text.encode() if self._encoding is None and text.isascii() else self._encoded(text)
            self._append(line if len(line) <= self.maxLineBytes else shorten(line, self.maxLineBytes))
        except Exception as error:  # noqa: BLE001 - logging must not break the work
            with self._held():
                self._losses.add(error)
                # The next record looks at what was wrong.
                self._look_at = 0.0

    def close(self) -> None:
        """Close the file; a record that still comes opens it again."""
        with self._held():
            self._losses.give_up()
            self._file = None
        super().close()

    def doRollover(self) -> None:  # noqa: N802 - the standard library's name
        """Move the file away now, full or not; nothing happens while another process does."""
        with self._held():
            self._move_away(self._file or LogFile(self.baseFilename), min_bytes=0)
            self._file = None

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: ARG002, N802 - the standard library's name
        """Never before a record: whether a file is full is known after it."""
        return False

    def _encoded(self, line: str) -> bytes:
        try:
            return line.encode(self._encoding) if self._encoding else line.encode()
        except UnicodeEncodeError:
            return line.encode(self._encoding or "utf-8", self.errors or "backslashreplace")

    def _append(self, line: bytes) -> None:
        now = time.monotonic()
        file = self._file
        if file is None or now >= self._look_at:
            file = self._looked_up(now)
        data = b"\n" + line if self._follows_fragment else line
        written = os.write(file.descriptor, data)
        if written < len(data):
            raise self._hidden(file, data[:written])
        self._follows_fragment = False
        if self._losses.count:
            self._tell_losses()
        if self._rotates and file.is_regular and os.lseek(file.descriptor, 0, os.SEEK_CUR) >= self.maxBytes:
            self._turn_over(file, line)

    def _looked_up(self, now: float) -> LogFile:
        """The file at the path, opened again if it is not the one that we have."""
        with self._held():
            self._look_at = now + (LOOK_AGAIN_S if self._rotates else 0)
            file = self._file
            if file is None or file.was_closed():
                self._file = file = LogFile(self.baseFilename)
            elif not file.is_at(self.baseFilename):
                self._file = file = self._reopened(file)
            return file

    def _reopened(self, file: LogFile) -> LogFile:
        try:
            opened = LogFile(self.baseFilename)
        except OSError as error:
            if file.is_linked:
                # The directory was moved, or may not be searched any more: the file that we have is a file still.
                self._losses.complain(f"cannot be opened again: {error}")
                return file
            self._file = None
            self._losses.add(error, file.unseen().count(b"\n"))
            raise
        if not file.is_linked and not (self._rotates and file.size >= self.maxBytes):
            # Somebody deleted it, and not our retention: what went there since the last look is saved.
            self._save(file, opened)
        return opened

    def _save(self, deleted: LogFile, opened: LogFile) -> None:
        with try_lock_file(self.baseFilename) as lock:
            # Whoever holds the lock moves files, or saves what we would: what only we know of is lost.
            saved = deleted.unseen() if lock is None else deleted.take_unseen(lock)
        try:
            written = os.write(opened.descriptor, saved) if lock is not None else 0
        except OSError:
            written = 0
        if written < len(saved):
            self._losses.add("its file was deleted", saved[written:].count(b"\n"))

    def _turn_over(self, file: LogFile, line: bytes) -> None:
        with self._held():
            is_deleted = not file.is_linked
            if file is self._file:
                if not is_deleted:
                    self._move_away(file, min_bytes=self.maxBytes)
                if not file.is_at(self.baseFilename):
                    # The next record opens the new one, or keeps this one where that cannot be.
                    self._look_at = 0.0
        if is_deleted:
            self._append(line)

    def _move_away(self, file: LogFile, *, min_bytes: int) -> None:
        try:
            with try_lock_file(self.baseFilename) as lock:
                if (
                    lock is not None
                    and file.is_at(self.baseFilename)
                    and file.size >= min_bytes
                    and self.backupCount > 0
                ):
                    rotation.move_chain_on(self._backup, self.backupCount)
                    self.rotate(self.baseFilename, self._backup(1))
        except OSError as error:
            # Nothing is lost: the file grows on.
            self._losses.complain(f"cannot be moved away: {error}")

    def _backup(self, number: int) -> str:
        return self.rotation_filename(f"{self.baseFilename}.{number}")

    def _hidden(self, file: LogFile, fragment: bytes) -> OSError:
        """Hide the beginning of a line for whose end there was no space; the error to raise for it."""
        self._follows_fragment = not file.blank_out(self.baseFilename, fragment)
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _tell_losses(self) -> None:
        with self._held():
            count = self._losses.settle()
        if count:
            record = lost_record(count, **{"log.file.path": self.baseFilename})
            try:
                self._append(self._encoded(f"{self.format(record)}\n"))
            except Exception as error:  # noqa: BLE001 - the count is told later
                with self._held():
                    self._losses.add(error, count)

    def _held(self) -> AbstractContextManager[object]:
        """The lock of the base class, which logging makes anew after a fork."""
        return cast("AbstractContextManager[object]", self.lock)
