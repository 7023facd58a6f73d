"""Locked files. The end of a process, by kill -9 too, is that of its locks; a child that it forks has none of them."""

import os
import stat
import sys
import threading
from contextlib import suppress
from typing import Self

if sys.platform != "win32":
    import fcntl

FILE_MODE = 0o600
# Files are read and written by descriptors of their directories, so that no link of somebody else leads elsewhere.
FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

# Global, since a fork copies the descriptors of the process: its child has to close them, or the locks outlive their
# owner. Nothing is opened and not yet in the set while the process forks.
_held: set["Lock"] = set()
_changing = threading.RLock()


class Lock:
    """A file that this process alone has, until `release()`; `take()` makes it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def take(cls, name: str, *, directory: int, flags: int = 0) -> Self | None:
        """Lock the file of an open directory; None where another one has it, or it is gone, or no regular file.

        Raises OSError where it cannot be opened for another reason.
        """
        with _changing:
            try:
                lock = cls(os.open(name, FLAGS | flags, FILE_MODE, dir_fd=directory))
            except FileNotFoundError:
                return None
            try:
                if lock._is_ours():
                    _held.add(lock)
                    return lock
            finally:
                if lock not in _held:
                    os.close(lock.descriptor)
            return None

    def release(self) -> None:
        """Let others have it. Unlocked before it is closed: a child that is being made may have a copy."""
        with _changing:
            if self in _held:
                _held.remove(self)
                with suppress(OSError):
                    fcntl.flock(self.descriptor, fcntl.LOCK_UN)
                os.close(self.descriptor)

    def read(self) -> bytes:
        """The content of the file."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def _is_ours(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # Its last owner may have deleted it between the opening and the lock.
        status = os.fstat(self.descriptor)
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 0


def _give_up_in_child() -> None:
    """Close what the parent holds, without unlocking it."""
    for lock in _held:
        with suppress(OSError):
            os.close(lock.descriptor)
    _held.clear()
    _changing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_changing.acquire, after_in_parent=_changing.release, after_in_child=_give_up_in_child)
