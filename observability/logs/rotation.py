"""A log file that several processes write: the open file, the rotation lock, and the backups `name.1`, `name.2`, …."""

import contextlib
import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager

from observability.files import try_lock_file

FILE_MODE = 0o640


def rotation_lock(path: str) -> AbstractContextManager[int | None]:
    """Try to take the lock of a log file: its holder alone rotates, deletes or rescues; `logs prune` takes the same."""
    return try_lock_file(path)


def move_backups(backup: Callable[[int], str], backup_count: int) -> None:
    """Rename backup 1 to 2, 2 to 3, and so on, so that number 1 is free. Number `backup_count` is overwritten.

    `backup(number)` returns the path of a backup. Only the backups before the first gap move: a process that died
    half-way left the gap, and no backup may be lost because of it.
    """
    last = 1
    while last < backup_count and os.path.exists(backup(last)):  # noqa: PTH110 - paths are text in logging
        last += 1
    for number in range(last - 1, 0, -1):
        os.replace(backup(number), backup(number + 1))  # noqa: PTH105


class LogFile:
    """A log file that is open for appending. The descriptor is closed when the last thread drops this object.

    `seen_size` is the size of the file when it was last found at its path. Raises `OSError` if the file cannot be
    opened.
    """

    __slots__ = ("descriptor", "identity", "is_regular", "seen_size")

    def __init__(self, path: str) -> None:
        flags = os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            # Readable too, to rescue lines if somebody deletes the file.
            self.descriptor = os.open(path, flags | os.O_RDWR, FILE_MODE)
        except PermissionError:
            self.descriptor = os.open(path, flags | os.O_WRONLY, FILE_MODE)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.is_regular = stat.S_ISREG(status.st_mode)
        self.seen_size = status.st_size

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self.descriptor)

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def is_linked(self) -> bool:
        """Whether the file still has a name, at any path."""
        return os.fstat(self.descriptor).st_nlink > 0

    def detach_if_closed(self) -> bool:
        """Return whether other code closed the descriptor, and give the descriptor up if so.

        Daemons close all descriptors that they inherited. The number may belong to another file by now.
        """
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            pass
        else:
            if (status.st_dev, status.st_ino) == self.identity:
                return False
        # This object must not close it.
        self.descriptor = -1
        return True

    def update_seen_size(self, path: str) -> bool:
        """Return whether this is the file at the path, and update `seen_size` if so."""
        try:
            status = os.stat(path)  # noqa: PTH116 - paths are text in logging
        except OSError:
            return False
        if (status.st_dev, status.st_ino) != self.identity:
            return False
        self.seen_size = status.st_size
        return True

    def read_unseen(self) -> bytes:
        """Return what was written since the file was last found at its path."""
        return self._read(self.seen_size)

    def claim_unseen(self, lock: int) -> bytes:
        """Return the same, and mark it as rescued: of several processes that have a deleted file open, one gets a line.

        `lock` is the open lock file of the path. It stores how far the deleted file was rescued. (The end of the
        deleted file does not tell that: other processes may still write to it.)
        """
        device, inode, rescued = ([int(part) for part in os.pread(lock, 100, 0).split()] + [0, 0, 0])[:3]
        start = max(self.seen_size, rescued) if (device, inode) == self.identity else self.seen_size
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
        """Write an empty JSON object over a fragment at the end of the file; return whether that succeeded.

        This needs no free space. If the fragment is too short for an object, the line before it gets spaces at its end
        instead.
        """
        start = os.lseek(self.descriptor, 0, os.SEEK_CUR) - len(fragment)
        blank = b"{}"
        if len(fragment) <= len(blank):
            blank = b""
            if start > 0:
                start -= 1
                fragment = b"\n" + fragment
        try:
            # Through a descriptor that appends, Linux would write at the end.
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
