"""Lock the files of the spool between processes.

A lock ends when its process ends, also by `kill -9`. A forked child has none of its parent's locks.
"""

import os
import stat
import threading
from contextlib import suppress
from typing import Self

from observability.files import PRIVATE_FILE_MODE, SAFE_FLAGS, try_lock, unlock

# Global, because a fork copies the descriptors of the process. The child has to close them, or the locks outlive their
# owner. `_fork_guard` delays a fork while a descriptor is open and not in the set yet.
_locks: set["FileLock"] = set()
_fork_guard = threading.RLock()


class FileLock:
    """A file that only this process has locked, from `try_acquire()` to `release()`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def try_acquire(cls, name: str, *, directory: int, create: bool = False) -> Self | None:
        """Lock a file of an open directory. Return None if another process has it, it is gone or not a regular file.

        Files are opened relative to the descriptor of their directory, so no symbolic link of another user is followed.
        Raises `OSError` if the file cannot be opened for another reason.
        """
        flags = os.O_RDWR | SAFE_FLAGS | (os.O_CREAT if create else 0)
        with _fork_guard:
            try:
                lock = cls(os.open(name, flags, PRIVATE_FILE_MODE, dir_fd=directory))
            except FileNotFoundError:
                return None
            try:
                if lock._acquire():
                    _locks.add(lock)
                    return lock
            finally:
                if lock not in _locks:
                    os.close(lock.descriptor)
            return None

    def release(self) -> None:
        """Release the lock. Unlock before closing: a child that is being forked may have a copy of the descriptor."""
        with _fork_guard:
            if self in _locks:
                _locks.remove(self)
                with suppress(OSError):
                    unlock(self.descriptor)
                os.close(self.descriptor)

    def read(self) -> bytes:
        """Return the content of the file."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def _acquire(self) -> bool:
        if not try_lock(self.descriptor):
            return False
        # Its last owner may have deleted it after it was opened and before it was locked.
        status = os.fstat(self.descriptor)
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 0


def _close_in_child() -> None:
    """Close the parent's locks without unlocking them: the parent still has them."""
    for lock in _locks:
        with suppress(OSError):
            os.close(lock.descriptor)
    _locks.clear()
    _fork_guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_fork_guard.acquire, after_in_parent=_fork_guard.release, after_in_child=_close_in_child)
