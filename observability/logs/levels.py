"""Change log levels while the service runs, with `manage.py loglevel`.

The command writes a file in VAR_DIR. In each process a thread reads this file once per second, and ends each change
when its time is over. Logging does not become slower: the thread sets the level of the logger, which `logging` caches.

    {"changes": [{"logger": "shop.orders", "level": "DEBUG", "was": "INFO, inherited", "until": 1760000000.0,
                  "seconds": 600.0, "by": "ada", "pid": 4711}]}     # `until`: seconds since 1970
"""

import atexit
import json
import logging
import math
import os
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from observability.core.diagnostics import Diagnostics
from observability.files import locked_directory, make_private_directory, write_atomically

LEVELS_FILE = "loglevel.json"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
POLL_INTERVAL_S = 1.0
MAX_SIZE_BYTES = 256 * 1024
# The service may run as another user that is in the group of the directory.


class LevelFileError(ValueError):
    """The file cannot be read or written, or is not a file of `loglevel`. The message has its path and the reason."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A temporary level of a logger. `was` describes the level of logging.yaml. `pid` is the process of the command."""

    logger: str
    level: str
    was: str
    until: float
    seconds: float
    by: str
    pid: int

    def remaining_s(self) -> float:
        """Return the seconds until the change ends: at most `seconds`, even if the clock was set back."""
        return min(self.until - time.time(), self.seconds)


@dataclass(frozen=True, slots=True)
class AppliedChange:
    """A change that this process has applied: the level before it, and its end on the monotonic clock."""

    change: LevelChange
    original_level: int
    level: int
    ends_at: float


class Levels:
    """The changed levels of this process. `start()` starts a thread that follows the file, `stop()` ends the thread.

    The thread stops before the process forks, and starts again in both processes. So it also runs in the workers of a
    server that loads the application before it forks, and no child process inherits a locked lock.

    If the file disappears or cannot be read (reported once on stderr), the applied changes last until their end. If the
    clock is set back, an applied change does not last longer.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._signature: tuple[int, ...] | None = None
        self._diagnostics = Diagnostics("observability:")
        self._reported = ""
        # Both are replaced, never modified, because `changed_level` reads them in other threads. The second is a cache.
        self._applied: dict[str, AppliedChange] = {}
        self._changed_levels: dict[str, int | None] = {}
        self._polling = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, path: Path) -> None:
        """Apply the changes in the file, and follow the file."""
        self._path = path
        self.poll()
        self.resume()

    def stop(self) -> None:
        """Stop following the file. Changed levels remain."""
        self._path = None
        self.pause()

    def pause(self) -> None:
        """Stop the thread until `resume()`."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1)

    def resume(self) -> None:
        """Start the thread, if this process follows a file and has no running thread."""
        if self._path is None or (self._thread is not None and self._thread.is_alive()):
            return
        self._polling = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="levels", args=(self._stopping,), daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            # The process is ending or may not start more threads. It continues without this thread.
            self._thread = None
            self._report(f"changed log levels are not applied: {error}")

    def poll(self) -> None:
        """Read the file if it has changed, and end the changes whose time is over. The thread does this each second."""
        with self._polling:
            try:
                self._read()
                self._reported = ""
            except LevelFileError as error:
                self._report(str(error))
            now = time.monotonic()
            if any(now >= applied.ends_at for applied in self._applied.values()):
                self._apply(applied.change for applied in self._applied.values() if now < applied.ends_at)

    def configured_level(self, logger: str) -> int:
        """Return the effective level of the logger without the changes."""
        for name in _with_parents(logger):
            applied = self._applied.get(name)
            if level := applied.original_level if applied else logging.getLogger(name).level:
                return level
        return logging.NOTSET

    def changed_level(self, logger: str) -> int | None:
        """Return the changed level of the logger or of its nearest changed parent; None without a change."""
        if not self._applied:
            return None
        # Read the cache first: a new cache must not get a level of the old changes.
        cache, applied = self._changed_levels, self._applied
        if logger not in cache:
            cache[logger] = next((applied[name].level for name in _with_parents(logger) if name in applied), None)
        return cache[logger]

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(POLL_INTERVAL_S):
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - the next poll may succeed
                self._report(f"changed log levels are not applied: {error!r}")

    def _read(self) -> None:
        signature = read_signature(self._path) if self._path else None
        if self._path is None or signature is None or signature == self._signature:
            return
        # Store this first: an unreadable file is read again when it changes, not each second.
        self._signature = signature
        self._apply(read_changes(self._path))

    def _apply(self, changes: Iterable[LevelChange]) -> None:
        wanted = {change.logger: change for change in changes}
        applied: dict[str, AppliedChange] = {}
        for name, before in self._applied.items():
            if name not in wanted:
                _restore(name, before)
        for name, change in wanted.items():
            known = self._applied.get(name)
            if known is not None and known.change == change:
                applied[name] = known
            elif change.remaining_s() > 0:
                applied[name] = _change_level(change, known)
            elif known is not None:
                _restore(name, known)
        self._applied = applied
        self._changed_levels = {}

    def _report(self, message: str) -> None:
        if message != self._reported:
            self._reported = message
            self._diagnostics.write(message.removesuffix("."), always=True)


def _change_level(change: LevelChange, known: AppliedChange | None) -> AppliedChange:
    logger = logging.getLogger(change.logger)
    original = known.original_level if known is not None else logger.level
    logger.setLevel(change.level)
    return AppliedChange(change, original, logger.level, time.monotonic() + change.remaining_s())


def _restore(name: str, applied: AppliedChange) -> None:
    logger = logging.getLogger(name)
    # Do not restore the level if other code has changed it meanwhile.
    if logger.level == applied.level:
        logger.setLevel(applied.original_level)


def _with_parents(logger: str) -> Iterator[str]:
    """Yield the names of a logger and of its parents, up to `root`."""
    name = logger
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield "root"


def read_signature(path: Path) -> tuple[int, ...] | None:
    """Return a value that is different after each change of the file; None if the file does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(path, "read", error) from error
    if not stat.S_ISREG(status.st_mode):
        raise LevelFileError(f"{path} is not a regular file. Delete it.")
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_changes(path: Path) -> list[LevelChange]:
    """Return all changes in the file, including ended ones; an empty list if the file does not exist.

    Raises `LevelFileError` if the file cannot be read or has other content.
    """
    if read_signature(path) is None:
        return []
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SIZE_BYTES + 1)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _failure(path, "read", error) from error
    try:
        return [_parse_change(entry) for entry in json.loads(content)["changes"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LevelFileError(f"{path} is not a file of `manage.py loglevel`. Delete it.") from None


@contextmanager
def edit_changes(path: Path) -> Iterator[dict[str, LevelChange]]:
    """Yield the changes that have not ended, by logger name. Write them to the file at the end of the block.

    Other `loglevel` commands wait meanwhile. Raises `LevelFileError` if the file cannot be read or written; the file is
    unchanged in that case.
    """
    with ExitStack() as stack:
        try:
            make_private_directory(path.parent)
            stack.enter_context(locked_directory(path.parent))
        except OSError as error:
            raise _failure(path, "written", error) from error
        changes = {change.logger: change for change in read_changes(path) if change.remaining_s() > 0}
        yield changes
        _write_changes(path, changes.values())


def _parse_change(entry: dict[str, object]) -> LevelChange:
    change = LevelChange(**entry)  # type: ignore[arg-type] # the types are checked next
    for field in fields(LevelChange):
        value = getattr(change, field.name)
        expected = (int, float) if field.type is float else field.type
        if isinstance(value, bool) or not isinstance(value, expected):  # type: ignore[arg-type] # not the name of a type
            raise TypeError(field.name)
    if change.level not in LEVELS or not math.isfinite(change.until) or not math.isfinite(change.seconds):
        raise ValueError(change)
    return change


def _write_changes(path: Path, changes: Iterable[LevelChange]) -> None:
    content = json.dumps({"changes": [asdict(change) for change in changes]}, indent=1).encode()
    if len(content) > MAX_SIZE_BYTES:
        raise LevelFileError(f"{path} would exceed {MAX_SIZE_BYTES // 1024} KiB. Reset some changes first.")

    def share_with_service(descriptor: int) -> None:
        """Give the file to the owner of the directory if root wrote it: the service reads it."""
        if sys.platform != "win32" and os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    try:
        write_atomically(path, content, prepare=share_with_service)
    except OSError as error:
        raise _failure(path, "written", error) from error


def _failure(path: Path, action: str, error: OSError) -> LevelFileError:
    return LevelFileError(f"{path} cannot be {action}: {error.strerror}.")


levels = Levels()
atexit.register(levels.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=levels.pause, after_in_parent=levels.resume, after_in_child=levels.resume)
