"""An open log file, as the operating system sees it."""

import contextlib
import os
import stat

FILE_MODE = 0o640


class LogFile:
    """A file opened to append; its descriptor is closed when the last thread that writes to it lets go of it.

    `seen` is its size when it was last found at its path. Raises OSError where it cannot be opened.
    """

    __slots__ = ("descriptor", "identity", "is_regular", "seen")

    def __init__(self, path: str) -> None:
        flags = os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            # To read as well: what is written to a file that somebody deletes can be saved.
            self.descriptor = os.open(path, flags | os.O_RDWR, FILE_MODE)
        except PermissionError:
            self.descriptor = os.open(path, flags | os.O_WRONLY, FILE_MODE)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.is_regular = stat.S_ISREG(status.st_mode)
        self.seen = status.st_size

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self.descriptor)

    def was_closed(self) -> bool:
        """Whether others closed the descriptor, as daemons do with all they have; it may be of another file now."""
        try:
            status = os.fstat(self.descriptor)
        except OSError:
            pass
        else:
            if (status.st_dev, status.st_ino) == self.identity:
                return False
        # It is not ours to close.
        self.descriptor = -1
        return True

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    @property
    def is_linked(self) -> bool:
        """Whether the file still has a name, any name."""
        return os.fstat(self.descriptor).st_nlink > 0

    def is_at(self, path: str) -> bool:
        """Whether this is the file at the path; remembers its size if it is."""
        try:
            status = os.stat(path)  # noqa: PTH116 - paths are text in logging
        except OSError:
            return False
        if (status.st_dev, status.st_ino) != self.identity:
            return False
        self.seen = status.st_size
        return True

    def unseen(self) -> bytes:
        """What was written since the file was last found at its path."""
        return self._read(self.seen)

    def take_unseen(self, lock: int) -> bytes:
        """The same, and nothing for whoever asks next: of several that hold a deleted file, each line goes to one.

        `lock` is the open lock file of the path, in which stands how far a deleted file was taken. (Its own end could
        not tell: others may still write to it.)
        """
        device, inode, taken = ([int(part) for part in os.pread(lock, 100, 0).split()] + [0, 0, 0])[:3]
        start = max(self.seen, taken) if (device, inode) == self.identity else self.seen
        unseen = self._read(start)
        mark = b"%d %d %d" % (*self.identity, start + len(unseen))
        os.pwrite(lock, mark.ljust(100), 0)
        return unseen

    def _read(self, start: int) -> bytes:
        try:
            return os.pread(self.descriptor, max(0, self.size - start), start)
        except OSError:
            return b""

    def blank_out(self, path: str, fragment: bytes) -> bool:
        """Put an empty JSON object over a fragment at the end of the file, where it is still there; whether it was.

        It needs no space that is not allocated. Where the fragment is too short for an object, the line before it ends
        with spaces instead.
        """
        start = os.lseek(self.descriptor, 0, os.SEEK_CUR) - len(fragment)
        blank = b"{}"
        if len(fragment) <= len(blank):
            blank = b""
            if start > 0:
                start -= 1
                fragment = b"\n" + fragment
        try:
            # Through a descriptor that appends, Linux would write to the end.
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
