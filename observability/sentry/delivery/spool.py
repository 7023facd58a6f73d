"""The spool of one Sentry project: a directory with the events that wait for the server.

    <root>/<hash of the project>/              0700; also has `project` (its address) and `last_failure.json`
        <pid>-<random>/                        0700; the events of one process
            lock                               locked while the process runs
            <nanoseconds>-<n>-<category>.envelope   0600; one event, as the SDK serializes it
            .<name>.<pid>.<thread>             an event that is being written

A new event becomes visible by a rename, so it is always complete. It is removed when the server has accepted it. A
process claims an event while it sends it, so that several processes can send events of the spool, but none twice.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sentry_sdk.utils import Dsn

from observability.files import (
    PRIVATE_DIRECTORY_MODE,
    FileLock,
    make_private_directory,
    match_owner,
    write_atomically,
)

DIRECTORY_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
LOCK_NAME = "lock"
REPLAY_LOCK_NAME = "replayer.lock"
PROJECT_NAME = "project"
MAX_PROJECT_LENGTH = 300
ENVELOPE = re.compile(r"(\d{19})-\d+-([a-z_]+)\.envelope")
PROCESS_DIRECTORY = re.compile(r"\d+-[0-9a-f]{8}")
SPOOL = re.compile(r"[0-9a-f]{16}")
# The reasons for which the quota drops an event.
TOO_OLD = "too old"
TOO_MANY_BYTES = "too many bytes"


@dataclass(frozen=True, slots=True, order=True)
class QueuedEvent:
    """An event in the spool; the oldest is the smallest."""

    name: str
    directory: str
    size_bytes: int
    written_at: float
    category: str


class Spool:
    """The spool of one project. `root` contains the spools of all projects. Files are created only when needed."""

    def __init__(self, root: Path, name: str, project: str) -> None:
        self.root = root
        self.path = root / name
        self.project = project

    @classmethod
    def for_dsn(cls, root: Path, dsn: str) -> Self:
        """Return the spool of a DSN. Its name depends only on host and project, so a new key uses the same spool."""
        project = project_url(dsn)
        location = project.partition("://")[2]
        return cls(root, hashlib.sha256(location.encode()).hexdigest()[:16], project)

    def create(self) -> None:
        """Create the missing directories and files of the spool. Raises `OSError`."""
        if not self.root.is_dir():
            make_private_directory(self.root.parent)
            _create_directory(self.root)
        _create_directory(self.path)
        with self.open_directory() as directory:
            if PROJECT_NAME not in os.listdir(directory):  # noqa: PTH208 - an open directory
                write_private(PROJECT_NAME, self.project.encode(), directory=directory)

    @contextmanager
    def open_directory(self, name: str = "") -> Iterator[int]:
        """Open the spool, or a directory in it, and yield its descriptor. Raises `OSError`."""
        directory = os.open(self.path, DIRECTORY_FLAGS)
        try:
            if name:
                spool, directory = directory, os.open(name, DIRECTORY_FLAGS, dir_fd=directory)
                os.close(spool)
            yield directory
        finally:
            os.close(directory)

    def directories(self) -> list[str]:
        """Return the names of the directories of all running and dead processes; empty if the spool cannot be read."""
        with suppress(OSError), self.open_directory() as spool, os.scandir(spool) as entries:
            return [
                each.name
                for each in entries
                if PROCESS_DIRECTORY.fullmatch(each.name) and each.is_dir(follow_symlinks=False)
            ]
        return []

    def events(self, *names: str) -> list[QueuedEvent]:
        """Return the events of these directories, or of all, oldest first. Unreadable directories are skipped."""
        events: list[QueuedEvent] = []
        for name in names or self.directories():
            with suppress(OSError), self.open_directory(name) as directory, os.scandir(directory) as entries:
                events += [event for event in (_queued_event(entry, name) for entry in entries) if event]
        return sorted(events)

    def check_readable(self) -> None:
        """Raise `OSError` if the spool exists but this user cannot read it."""
        with suppress(FileNotFoundError), self.open_directory() as spool, os.scandir(spool):
            pass

    def is_empty(self) -> bool:
        """Return whether no event is waiting."""
        return not any(self.events(name) for name in self.directories())

    @contextmanager
    def claim(self, event: QueuedEvent) -> Iterator["ClaimedEvent | None"]:
        """Claim an event during the block, so that other processes cannot send it.

        Yield None if another process has claimed or sent it. Raises `OSError` if the event cannot be read.
        """
        try:
            directory = self._open(event.directory)
        except FileNotFoundError:
            yield None
            return
        try:
            lock = FileLock.try_acquire(event.name, directory=directory)
            try:
                yield ClaimedEvent(event, lock, directory) if lock else None
            finally:
                if lock is not None:
                    lock.release()
        finally:
            os.close(directory)

    @contextmanager
    def claim_replay(self) -> Iterator[bool]:
        """Yield whether this process may send the events of dead processes. Only one process at a time may."""
        try:
            with self.open_directory() as spool:
                lock = FileLock.try_acquire(REPLAY_LOCK_NAME, directory=spool, create=True)
        except OSError:
            lock = None
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    @contextmanager
    def adopt(self, name: str) -> Iterator[bool]:
        """Lock the directory of a process during the block: yield whether the process is dead.

        After the block, an empty directory of a dead process is removed.
        """
        try:
            directory = self._open(name)
        except OSError:
            yield False
            return
        try:
            lock = None
            with suppress(OSError):
                lock = FileLock.try_acquire(LOCK_NAME, directory=directory, create=True)
            try:
                yield lock is not None
            finally:
                if lock is not None:
                    self.remove_if_empty(name, directory)
                    lock.release()
        finally:
            os.close(directory)

    def remove_if_empty(self, name: str, directory: int) -> None:
        """Remove a directory and its unfinished files, unless an event is waiting in it. The caller holds its lock."""
        with suppress(OSError):
            names = os.listdir(directory)
            if any(ENVELOPE.fullmatch(each) for each in names):
                return
            for each in names:
                os.unlink(each, dir_fd=directory)
            with self.open_directory() as spool:
                os.rmdir(name, dir_fd=spool)

    def _open(self, name: str) -> int:
        with self.open_directory(name) as directory:
            return os.dup(directory)


class ClaimedEvent:
    """An event that this process has claimed with `Spool.claim()`."""

    def __init__(self, event: QueuedEvent, lock: FileLock, directory: int) -> None:
        self._event = event
        self._lock = lock
        self._directory = directory

    def read(self) -> bytes:
        """Return the envelope."""
        return self._lock.read()

    def remove(self) -> None:
        """Remove the event from the spool."""
        with suppress(FileNotFoundError):
            os.unlink(self._event.name, dir_fd=self._directory)


@dataclass(frozen=True, slots=True)
class SpoolQuota:
    """The maximum size and age of the events in the spool of one project. The oldest events are dropped first."""

    max_bytes: int = 100_000_000
    max_age_s: float = 30 * 24 * 3600.0

    def find_excess(self, events: Sequence[QueuedEvent], now: float) -> Iterator[tuple[QueuedEvent, str]]:
        """Yield each event over the quota with the reason. `events` are sorted, oldest first. `now`: `time.time()`."""
        excess_bytes = total_bytes(events) - self.max_bytes
        for event in events:
            is_old = now - event.written_at > self.max_age_s
            if not is_old and excess_bytes <= 0:
                return
            yield event, TOO_OLD if is_old else TOO_MANY_BYTES
            excess_bytes -= event.size_bytes


def project_url(dsn: str) -> str:
    """Return the address of a DSN's project without the key, such as `https://sentry.example.com/1`."""
    parsed = Dsn(dsn)
    return f"{parsed.scheme}://{parsed.netloc}{parsed.path}{parsed.project_id}"


def total_bytes(events: Iterable[QueuedEvent]) -> int:
    """Return the total size of the events."""
    return sum(event.size_bytes for event in events)


def find_other_spools(spool: Spool) -> list[Spool]:
    """Return the spools of other projects in the same root, for display."""
    with suppress(OSError), os.scandir(spool.root) as entries:
        paths = [Path(each) for each in entries if SPOOL.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]
        return [Spool(spool.root, each.name, _read_project(each)) for each in sorted(paths) if each != spool.path]
    return []


def envelope_name(number: int, category: str) -> str:
    """Return the file name for an event that is written now. `number` makes it unique at the same time."""
    safe = category if re.fullmatch(r"[a-z_]+", category) else "default"
    return f"{time.time_ns():019d}-{number}-{safe}.envelope"


def write_private(name: str, content: bytes, *, directory: int) -> None:
    """Write a file in an open directory atomically. It has the owner of the directory. Raises `OSError`."""
    write_atomically(name, content, directory=directory, prepare=lambda descriptor: match_owner(descriptor, directory))


def _create_directory(path: Path) -> None:
    """Create a directory that only its owner can open. If the path is a symbolic link, opening it later fails."""
    with suppress(FileExistsError):
        path.mkdir(mode=PRIVATE_DIRECTORY_MODE)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


def _read_project(path: Path) -> str:
    """Return the address of a spool's project; if it cannot be read, the name of the directory."""
    try:
        descriptor = os.open(path / PROJECT_NAME, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read(MAX_PROJECT_LENGTH) or path.name
    except OSError:
        return path.name


def _queued_event(entry: "os.DirEntry[str]", directory: str) -> QueuedEvent | None:
    match = ENVELOPE.fullmatch(entry.name)
    if match is None:
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return QueuedEvent(entry.name, directory, status.st_size, status.st_mtime, match[2])
