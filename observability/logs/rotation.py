"""Rotation by size: the chain `name.1`, `name.2`, … of a log file, moved on by one process at a time."""

import importlib
import importlib.util
import os
from collections.abc import Callable
from types import ModuleType

# Windows has none.
_fcntl: ModuleType | None = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None


def has_flock() -> bool:
    """Whether this system can lock a file for one of several processes."""
    return _fcntl is not None


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
