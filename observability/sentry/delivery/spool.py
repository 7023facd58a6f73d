"""The directory of the events that wait for the server, of one project.

    <spool>/<hash of the project>/             0700; `project` says which one it is, `trouble.json` what went wrong last
        <pid>-<random>/                        0700; of one process
            lock                               held while the process lives
            <nanoseconds>-<n>-<category>.envelope   0600; one event each, as the SDK serialises it
            .….envelope                        one that is being written

An event appears by renaming, and goes when the server has it. Whoever sends it has locked it: so it is not sent twice,
and other processes may send it too.
"""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from observability.sentry.delivery.lock import Lock
from observability.sentry.delivery.project import project_of, spool_name

DIRECTORY_MODE = 0o700
DIRECTORY_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
LOCK_NAME = "lock"
REPLAYER_NAME = "replayer.lock"
PROJECT_NAME = "project"
ENVELOPE = re.compile(r"(\d{19})-\d+-([a-z_]+)\.envelope")
OWN_DIRECTORY = re.compile(r"\d+-[0-9a-f]{8}")
SPOOL = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """An event in the spool; the oldest is the smallest."""

    name: str
    directory: str
    size_bytes: int
    written_at: float
    category: str


class Spool:
    """The spool of one project; `root` is that of all projects. Nothing is made before it is needed."""

    def __init__(self, root: Path, name: str, project: str) -> None:
        self.root = root
        self.path = root / name
        self.project = project

    @classmethod
    def of(cls, root: Path, dsn: str) -> Self:
        """That of a DSN."""
        return cls(root, spool_name(dsn), project_of(dsn))

    def make(self) -> None:
        """Make what is missing. Raises OSError."""
        if not self.root.is_dir():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            _make_directory(self.root)
        _make_directory(self.path)
        with suppress(FileExistsError), self.opened() as directory:
            new = os.open(PROJECT_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
            try:
                give_to_owner(new, directory)
                os.write(new, self.project.encode())
            finally:
                os.close(new)

    @contextmanager
    def opened(self, name: str = "") -> Iterator[int]:
        """A descriptor of the spool, or of a directory in it. Raises OSError."""
        directory = os.open(self.path, DIRECTORY_FLAGS)
        try:
            if name:
                spool, directory = directory, os.open(name, DIRECTORY_FLAGS, dir_fd=directory)
                os.close(spool)
            yield directory
        finally:
            os.close(directory)

    def directories(self) -> list[str]:
        """The directories of the processes, dead ones too; none where there is no spool to read."""
        with suppress(OSError), self.opened() as spool, os.scandir(spool) as entries:
            return [
                each.name
                for each in entries
                if OWN_DIRECTORY.fullmatch(each.name) and each.is_dir(follow_symlinks=False)
            ]
        return []

    def waiting(self, *names: str) -> list[Waiting]:
        """What waits in these directories, or in all, oldest first; nothing of those that cannot be read."""
        found: list[Waiting] = []
        for name in names or self.directories():
            with suppress(OSError), self.opened(name) as directory, os.scandir(directory) as entries:
                found += [each for each in (_waiting(entry, name) for entry in entries) if each]
        return sorted(found)

    def require_readable(self) -> None:
        """Raises OSError where there is a spool that this user cannot read."""
        with suppress(FileNotFoundError), self.opened() as spool, os.scandir(spool):
            pass

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not any(self.waiting(name) for name in self.directories())

    @contextmanager
    def taken(self, waiting: Waiting) -> Iterator["Taken | None"]:
        """The event, which no other process has until the block ends; None where one has it, or has sent it.

        Raises OSError where it cannot be read.
        """
        try:
            directory = self._open(waiting.directory)
        except FileNotFoundError:
            yield None
            return
        try:
            lock = Lock.take(waiting.name, directory=directory)
            try:
                yield Taken(waiting, lock, directory) if lock else None
            finally:
                if lock is not None:
                    lock.release()
        finally:
            os.close(directory)

    @contextmanager
    def replaying(self) -> Iterator[bool]:
        """Whether this process is the one that sends what dead processes left, until the block ends."""
        try:
            with self.opened() as spool:
                lock = Lock.take(REPLAYER_NAME, directory=spool, flags=os.O_CREAT)
        except OSError:
            lock = None
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    @contextmanager
    def adopted(self, name: str) -> Iterator[bool]:
        """Whether the process of this directory is dead; then it is ours, and goes at the end if it is empty."""
        try:
            directory = self._open(name)
        except OSError:
            yield False
            return
        try:
            lock = _try_lock(directory)
            try:
                yield lock is not None
            finally:
                if lock is not None:
                    self.remove_if_empty(name, directory)
                    lock.release()
        finally:
            os.close(directory)

    def remove_if_empty(self, name: str, directory: int) -> None:
        """Remove a directory whose lock the caller holds, unless an event waits in it; what never became one goes."""
        with suppress(OSError):
            names = os.listdir(directory)
            if any(ENVELOPE.fullmatch(each) for each in names):
                return
            for each in names:
                os.unlink(each, dir_fd=directory)
            with self.opened() as spool:
                os.rmdir(name, dir_fd=spool)

    def _open(self, name: str) -> int:
        with self.opened(name) as directory:
            return os.dup(directory)


class Taken:
    """An event that this process alone has; made by `Spool.taken()`."""

    def __init__(self, waiting: Waiting, lock: Lock, directory: int) -> None:
        self._waiting = waiting
        self._lock = lock
        self._directory = directory

    def read(self) -> bytes:
        """The envelope."""
        return self._lock.read()

    def remove(self) -> None:
        """Take it out of the spool."""
        with suppress(FileNotFoundError):
            os.unlink(self._waiting.name, dir_fd=self._directory)


def other_spools(spool: Spool) -> list[Spool]:
    """The spools of other projects under the same root, to look at."""
    with suppress(OSError), os.scandir(spool.root) as entries:
        found = [Path(each) for each in entries if SPOOL.fullmatch(each.name) and each.is_dir(follow_symlinks=False)]
        return [Spool(spool.root, each.name, project_in(each)) for each in sorted(found) if each != spool.path]
    return []


def project_in(path: Path) -> str:
    """Which project this spool is of, or the name of its directory where that cannot be read."""
    try:
        descriptor = os.open(path / PROJECT_NAME, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read(300) or path.name
    except OSError:
        return path.name


def give_to_owner(descriptor: int, directory: int) -> None:
    """What root writes belongs to the owner of the directory, who has to read it."""
    if os.geteuid() == 0:
        owner = os.fstat(directory)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _make_directory(path: Path) -> None:
    """Make it, for its owner alone; one that is a link is refused where it is opened."""
    with suppress(FileExistsError):
        path.mkdir(mode=DIRECTORY_MODE)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)


def _waiting(entry: "os.DirEntry[str]", directory: str) -> Waiting | None:
    match = ENVELOPE.fullmatch(entry.name)
    if match is None:
        return None
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return Waiting(entry.name, directory, status.st_size, status.st_mtime, match[2])


def _try_lock(directory: int) -> Lock | None:
    try:
        return Lock.take(LOCK_NAME, directory=directory, flags=os.O_CREAT)
    except OSError:
        return None


def envelope_name(number: int, category: str) -> str:
    """The name of an event that is written now; `number` tells apart those of one moment."""
    safe = category if re.fullmatch(r"[a-z_]+", category) else "default"
    return f"{time.time_ns():019d}-{number}-{safe}.envelope"
