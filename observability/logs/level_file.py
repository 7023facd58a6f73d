"""The file by which `manage.py loglevel` tells the processes of this machine which levels are changed.

    {"changes": [{"logger": "shop.orders", "level": "DEBUG", "was": "INFO, inherited", "until": 1760000000.0,
                  "seconds": 600.0, "by": "ada", "pid": 4711}]}

`until` is the time of the clock, in seconds of the epoch. The file appears whole or not at all.
"""

import json
import math
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LEVELS_FILE = "loglevel.json"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_SIZE = 256 * 1024
# Written by one user, read by the service, which may be another one of the directory's group.
MODE = 0o640

Signature = tuple[int, int, int, int]


class LevelFileError(ValueError):
    """The file cannot be read or written, or is not one of `loglevel`; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """The level of a logger, for a time. `was` says what logging.yaml gives it; `pid` is that of the command."""

    logger: str
    level: str
    was: str
    until: float
    seconds: float
    by: str
    pid: int

    def remaining_s(self) -> float:
        """How long it holds still: never longer than it was meant to, even if the clock was set back since."""
        return min(self.until - time.time(), self.seconds)


def signature(path: Path) -> Signature | None:
    """What is another one after each change of the file; None where there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(path, "read", error) from error
    if not stat.S_ISREG(status.st_mode):
        raise LevelFileError(f"{path} is no file.")
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read(path: Path) -> list[Change]:
    """The changes in the file, also those whose time is over; none where there is no file.

    Raises LevelFileError where it cannot be read, or holds anything else.
    """
    if signature(path) is None:
        return []
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _failure(path, "read", error) from error
    try:
        return [_change(entry) for entry in json.loads(content)["changes"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LevelFileError(f"{path} is no file of `manage.py loglevel`; remove it.") from None


@contextmanager
def changing(path: Path) -> Iterator[dict[str, Change]]:
    """The changes that still hold, by logger; what the block makes of them is written at its end.

    Other commands wait meanwhile; on Windows, which has no flock, the last one wins. Raises LevelFileError where that
    is not possible, and leaves the file as it was.
    """
    with _locked(path):
        changes = {change.logger: change for change in read(path) if change.remaining_s() > 0}
        yield changes
        _write(path, changes.values())


def _change(entry: dict[str, object]) -> Change:
    change = Change(**entry)  # type: ignore[arg-type] # the types are looked at next
    for field in fields(Change):
        value = getattr(change, field.name)
        expected = (int, float) if field.type is float else field.type
        if isinstance(value, bool) or not isinstance(value, expected):  # type: ignore[arg-type] # no name of a type
            raise TypeError(field.name)
    if change.level not in LEVELS or not math.isfinite(change.until) or not math.isfinite(change.seconds):
        raise ValueError(change)
    return change


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other commands out by a lock on the directory, which needs no file of its own."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":
            yield
            return
        directory = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _failure(path, "written", error) from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _write(path: Path, changes: Iterable[Change]) -> None:
    content = json.dumps({"changes": [asdict(change) for change in changes]}, indent=1).encode()
    draft = path.with_name(f"{path.name}.new")
    try:
        if len(content) > MAX_SIZE:
            raise LevelFileError(f"{path} would hold more than {MAX_SIZE // 1024} KiB: take some changes back first.")
        # One that a killed command left.
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE), "wb") as file:
            _give_to_the_service(file.fileno(), path.parent)
            file.write(content)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _failure(path, "written", error) from error


def _give_to_the_service(descriptor: int, directory: Path) -> None:
    """Let the owner and the group of the directory read what root, or a user with a strict umask, writes."""
    if sys.platform == "win32":
        return
    owner = directory.stat()
    with suppress(PermissionError):
        os.fchown(descriptor, owner.st_uid if os.geteuid() == 0 else -1, owner.st_gid)
    os.fchmod(descriptor, MODE)


def _failure(path: Path, action: str, error: OSError) -> LevelFileError:
    return LevelFileError(f"{path} cannot be {action}: {error.strerror}.")
