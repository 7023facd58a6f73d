"""Files that several processes share: advisory locks, atomic writes, private files. Standard library only.

A lock belongs to an open file description. It ends when the process ends, even if the process is killed. A forked child
shares the locks of its parent, except those of `FileLock`. Windows has no `flock`: there, every lock succeeds at once,
and the last of several writers wins. `FileLock` does not work on Windows, because Windows cannot open a file relative
to an open directory.
"""

import os
import stat
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

if sys.platform != "win32":
    import fcntl

HAS_FLOCK = sys.platform != "win32"
# Only the owner can read the file or open the directory.
PRIVATE_FILE_MODE = 0o600
PRIVATE_DIRECTORY_MODE = 0o700
MAX_EXAMINED_FILES = 100_000
# Do not follow a symbolic link that another user placed, and do not pass the descriptor to child programs.
SAFE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

# The `FileLock`s of this process. Global, because a fork copies the descriptors of the process. The child has to close
# the copies: otherwise a lock is still held after its owner ended. `_fork_guard` delays a fork while a descriptor is
# open but not in the set yet.
_locks: set["FileLock"] = set()
_fork_guard = threading.RLock()


def try_lock(descriptor: int) -> bool:
    """Lock an open file for this process; return False if another process holds the lock. Never waits."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int) -> None:
    """Lock an open file for this process; wait while another process holds the lock."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def unlock(descriptor: int) -> None:
    """Release the lock of an open file, also for child processes that inherited the descriptor."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def try_lock_file(path: str | Path) -> Iterator[int | None]:
    """Hold the exclusive lock of a file during the block. Never waits.

    Yield the open descriptor of the lock file, or None if another process holds the lock. The lock file is
    `{path}.lock`, because rotation replaces the file itself. It is opened for each block, so that parent and
    child processes do not share the lock. If a process is stopped (SIGSTOP) while it holds the lock, other
    processes can still write, but not rotate. Raises `OSError`.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE_MODE)
    try:
        yield descriptor if try_lock(descriptor) else None
    finally:
        os.close(descriptor)


@contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Lock a directory during the block, and wait while another process holds it. No lock file. Raises `OSError`."""
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        wait_for_lock(descriptor)
        try:
            yield
        finally:
            unlock(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """A file that this process has locked, until `release()`. A forked child does not share the lock."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def try_acquire(cls, name: str, *, directory: int, create: bool = False) -> Self | None:
        """Lock a file in an open directory.

        Return None if another process holds the lock, or if the file is deleted or not a regular file. The file is
        opened relative to the descriptor of its directory: a symbolic link of another user is not followed. Raises
        `OSError` if the file cannot be opened for another reason.
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
        """Release the lock. It unlocks before it closes, because a child may have a copy of the descriptor."""
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
        # The previous owner may have deleted the file between our `open` and our lock.
        status = os.fstat(self.descriptor)
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 0


def write_atomically(
    path: str | Path,
    content: bytes,
    *,
    mode: int = PRIVATE_FILE_MODE,
    directory: int | None = None,
    prepare: Callable[[int], None] | None = None,
) -> None:
    """Write a file so that readers see either the complete new file or the old one.

    A relative path starts from `directory`, an open descriptor. `prepare` gets the descriptor of the new file before
    the file is visible, for example to change its owner. Raises `OSError`; then the old file is unchanged.
    """
    parent, name = os.path.split(path)
    # One name per thread. A draft that a killed process left behind is replaced by a later process with the same ids.
    draft = os.path.join(parent, f".{name}.{os.getpid()}.{threading.get_native_id()}")  # noqa: PTH118 - see `directory`
    with suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | SAFE_FLAGS
    descriptor = os.open(draft, flags, mode, dir_fd=directory)
    try:
        try:
            if prepare is not None:
                prepare(descriptor)
            _write_all(descriptor, content)
        finally:
            os.close(descriptor)
        os.replace(draft, path, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft, dir_fd=directory)
        raise


def create_private_file(path: Path) -> None:
    """Create an empty file that only its owner can read, unless the file exists. Raises `OSError`."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE_MODE))


def make_private_directory(path: str | Path) -> None:
    """Create a directory and its missing parents. Only the owner can open them, under any umask. Raises `OSError`."""
    path = Path(path)
    if not path.is_dir():
        make_private_directory(path.parent)
        path.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)


def find_readable_files(directory: Path, excluded: Collection[Path] = ()) -> Iterator[Path]:
    """Yield a directory, and its files and directories, that other users may read, write or open.

    Symbolic links, virtual environments and `excluded` directories are left out. At most 100,000 files are examined.
    """
    left = MAX_EXAMINED_FILES
    for parent, directories, names in os.walk(directory):
        if "pyvenv.cfg" in names:
            directories.clear()
            continue
        directories[:] = [name for name in directories if Path(parent, name) not in excluded]
        yield from filter(is_readable_by_others, [Path(parent), *(Path(parent, name) for name in names)])
        left -= 1 + len(names)
        if left < 0:
            return


def is_readable_by_others(path: Path) -> bool:
    """Return whether the mode of a file or directory gives any right to its group or to others."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return not stat.S_ISLNK(mode) and bool(mode & 0o077)


def match_owner(descriptor: int, directory: int) -> None:
    """If this process runs as root, give the file to the owner of its open directory. Raises `OSError`.

    Otherwise the service could not read a file that an administrator's command wrote.
    """
    if sys.platform != "win32" and os.geteuid() == 0:
        owner = os.fstat(directory)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _write_all(descriptor: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.write(descriptor, content[written:])


def _close_in_child() -> None:
    """Close the parent's descriptors in the child without unlocking: the parent still holds the locks."""
    for lock in _locks:
        with suppress(OSError):
            os.close(lock.descriptor)
    _locks.clear()
    _fork_guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_fork_guard.acquire, after_in_parent=_fork_guard.release, after_in_child=_close_in_child)
