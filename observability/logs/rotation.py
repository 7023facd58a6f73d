"""A log file that several processes write: its open file, its rotation lock, and its backups `name.1`, `name.2`, …"""

import contextlib
import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager

from observability.files import PRIVATE_FILE_MODE, try_lock_file


def rotation_lock(path: str) -> AbstractContextManager[int | None]:
    """Try to take the lock of a log file. Only its holder may rotate, delete or rescue. `logs prune` uses it too."""
    return try_lock_file(path)


def move_backups(backup: Callable[[int], str], backup_count: int) -> None:
    """Rename backup 1 to 2, 2 to 3, and so on, so that number 1 is free. The last backup is overwritten.

    `backup(number)` returns the path of a backup. Only backups before the first free number are renamed. A process that
    was killed while it renamed backups leaves a free number, and then no backup needs to be overwritten.
    """
    last = 1
    while last < backup_count and os.path.exists(backup(last)):  # noqa: PTH110 - paths are text in logging
        last += 1
    for number in range(last - 1, 0, -1):
        os.replace(backup(number), backup(number + 1))  # noqa: PTH105


class LogFile:
    """A log file that is open for appending. The descriptor is closed when no thread uses this object any more.

    `checked_size` is the size of the file, in bytes, at the last check that found it at its path. Raises `OSError` if
    the file cannot be opened.
    """

    __slots__ = ("checked_size", "descriptor", "identity", "is_regular")

    def __init__(self, path: str) -> None:
        flags = os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            # The file is also readable, to rescue its last lines if it is deleted.
            self.descriptor = os.open(path, flags | os.O_RDWR, PRIVATE_FILE_MODE)
        except PermissionError:
            self.descriptor = os.open(path, flags | os.O_WRONLY, PRIVATE_FILE_MODE)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.is_regular = stat.S_ISREG(status.st_mode)
        self.checked_size = status.st_size

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self.descriptor)

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def is_linked(self) -> bool:
        """Whether the file still has a name at any path, so it is not deleted."""
        return os.fstat(self.descriptor).st_nlink > 0

    def detach_if_closed(self) -> bool:
        """Return whether other code has closed the descriptor. If so, forget the descriptor.

        Daemons close all descriptors that they inherit. The number may belong to another file now.
        """
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            pass
        else:
            if (status.st_dev, status.st_ino) == self.identity:
                return False
        # This object must not close the descriptor of another file.
        self.descriptor = -1
        return True

    def update_checked_size(self, path: str) -> bool:
        """Return whether this is the file at the path. If so, update `checked_size`."""
        try:
            status = os.stat(path)  # noqa: PTH116 - paths are text in logging
        except OSError:
            return False
        if (status.st_dev, status.st_ino) != self.identity:
            return False
        self.checked_size = status.st_size
        return True

    def read_since_check(self) -> bytes:
        """Return the bytes that were written since the last check that found the file at its path."""
        return self._read(self.checked_size)

    def claim_since_check(self, lock: int) -> bytes:
        """Return the same bytes, and mark them as rescued, so that only one process rescues a line of a deleted file.

        `lock` is the open lock file of the path. It stores the position up to which the deleted file was rescued. The
        size of the deleted file is not enough for that, because other processes may still write to it.
        """
        device, inode, rescued = ([int(part) for part in os.pread(lock, 100, 0).split()] + [0, 0, 0])[:3]
        start = max(self.checked_size, rescued) if (device, inode) == self.identity else self.checked_size
        unseen = self._read(start)
        mark = b"%d %d %d" % (*self.identity, start + len(unseen))
        os.pwrite(lock, mark.ljust(100), 0)
        return unseen

    def _read(self, start: int) -> bytes:
        try:
            return os.pread(self.descriptor, max(0, self.size - start), start)
        except OSError:
            return b""

    def overwrite_fragment(self, path: str, fragment: bytes) -> bool:
        """Overwrite a fragment at the end of the file with an empty JSON object. Return whether that succeeded.

        This needs no free disk space. A fragment that is too short for an object becomes spaces at the end of the line
        before it.
        """
        start = os.lseek(self.descriptor, 0, os.SEEK_CUR) - len(fragment)
        blank = b"{}"
        if len(fragment) <= len(blank):
            blank = b""
            if start > 0:
                start -= 1
                fragment = b"\n" + fragment
        try:
            # With a descriptor in append mode, Linux would write at the end of the file.
            writer = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return False
        try:
            status = os.fstat(writer)
            is_ours = (status.st_dev, status.st_ino) == self.identity and start >= 0
            if not is_ours or os.pread(writer, len(fragment), start) != fragment:
                return False
            os.pwrite(writer, blank.ljust(len(fragment) - 1) + b"\n", start)
        except OSError:
            return False
        finally:
            os.close(writer)
        return True
