"""Rotation by size: the chain `name.1`, `name.2`, … of a log file, moved on by one process at a time."""

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

LOCK_MODE = 0o640

# Windows has none.
_fcntl: ModuleType | None = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None


def has_flock() -> bool:
    """Whether this system can lock a file for one of several processes."""
    return _fcntl is not None


def lock(descriptor: int) -> bool:
    """Lock an open file for this process, unless another one has; True as well where the system cannot."""
    if _fcntl is None:
        return True
    try:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def sole(path: str) -> Iterator[int | None]:
    """The open lock file, where this process alone holds the lock of a file during the block, else None; never waits.

    The lock file beside it is opened on the spot, so that a process that forks shares no lock with its child; the
    system lets go of it when a process dies. One that is stopped while it holds it keeps others from rotating, not from
    writing.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), LOCK_MODE)
    try:
        yield descriptor if lock(descriptor) else None
    finally:
        os.close(descriptor)


def move_chain_on(backup: Callable[[int], str], backup_count: int) -> None:
    """Make room for a new first backup; the oldest goes when there are `backup_count`.

    `backup(number)` is the path of one. It moves those before the first gap: a process that died half-way left one, and
    none is lost to it.
    """
    last = 1
    while last < backup_count and os.path.exists(backup(last)):  # noqa: PTH110 - paths are text in logging
        last += 1
    for number in range(last - 1, 0, -1):
        os.replace(backup(number), backup(number + 1))  # noqa: PTH105
