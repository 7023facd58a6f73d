"""The files of a log: the one that is written, and those that rotation moved away, compressed or not."""

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from observability.logs.reading.mistake import ReadingError

# By what rotation and logrotate append to a name: `.3`, `-20261126`, `.2026-11-26`, and how it was compressed.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
_rotated = re.compile(r"[.-](?P<mark>\d[\d._-]*)(?P<compression>\.gz|\.zst|\.bz2|\.xz)?")
_log_names = ("*.jsonl", "*.ndjson", "*.json", "*.log")
MAX_NUMBER_DIGITS = 6
MAX_OPEN_FILES = 65_536
# The logs whose lines stand in another log too, by name; what they alone still have is told as well.
REPEATING = ("errors", "sql")
# How often a directory is looked at anew while its files are being moved.
ATTEMPTS = 10

Identity = tuple[int, int]


class Name(NamedTuple):
    """A file of a log by its name: `mark` is what rotation gave it, empty for the one that is written."""

    path: Path
    mark: str
    compression: str

    @property
    def age(self) -> tuple[int, int, str]:
        """Sorts the files of a log from the oldest: numbers grow with age, dates fall."""
        if not self.mark:
            return (2, 0, "")
        is_number = self.mark.isdigit() and len(self.mark) <= MAX_NUMBER_DIGITS
        return (0, -int(self.mark), "") if is_number else (1, 0, self.mark)


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of a log, held open, so that it stays the same whatever its name becomes."""

    name: Name
    descriptor: int
    size: int
    modified: float

    @property
    def path(self) -> Path:
        return self.name.path

    @property
    def compression(self) -> str:
        """`gzip`, `zstd`, `bzip2`, `xz`, or nothing."""
        return self.name.compression

    @property
    def open_path(self) -> Path:
        """A path by which a library opens this very file; where the system has none, its name."""
        path = Path(f"/proc/self/fd/{self.descriptor}")
        return path if path.exists() else self.path


@dataclass(slots=True)
class Log:
    """A log with its files, oldest first. Its name is that of the file that is written, without the ending."""

    path: Path
    segments: list[Segment] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.stem


def log_paths(places: Iterable[Path]) -> list[Path]:
    """The logs in these directories and files, by the path that is written; a rotated file is of its log.

    Raises ReadingError for a place that is not there, or is a directory that cannot be read.
    """
    found: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            found |= dict.fromkeys(_logs_in(place))
        elif place.exists() or listing(place):
            found[place] = None
        else:
            raise ReadingError(f"{place} is not there.")
    return list(found)


def _logs_in(directory: Path) -> list[Path]:
    try:
        names = {entry.name for entry in os.scandir(directory) if entry.is_file()}
    except OSError as error:
        raise ReadingError(f"{directory} cannot be read: {error.strerror}.") from error
    # A log of which only rotated files are left is one, too.
    names |= {name[: match.start()] for name in names if (match := _rotation_of(name))}
    paths = (directory / name for name in sorted(names))
    return [path for path in paths if any(path.match(pattern) for pattern in _log_names)]


def _rotation_of(name: str) -> re.Match[str] | None:
    return next((match for match in _rotated.finditer(name) if match.end() == len(name)), None)


def listing(path: Path) -> list[Name]:
    """The files of the log that is written at `path`, by name, newest first."""
    names = []
    try:
        entries = [entry.name for entry in os.scandir(path.parent)]
    except OSError:
        return []
    for entry in entries:
        match = _rotated.fullmatch(entry, len(path.name)) if entry.startswith(path.name) else None
        if entry == path.name:
            names.append(Name(path, "", COMPRESSIONS.get(path.suffix, "")))
        elif match:
            names.append(Name(path.with_name(entry), match["mark"], COMPRESSIONS.get(match["compression"] or "", "")))
    return sorted(names, key=lambda name: name.age, reverse=True)


def main_logs(logs: Sequence[Log]) -> list[Log]:
    """The logs that have each line once: without those that repeat lines of others, where there are others."""
    return [log for log in logs if log.name not in REPEATING] or list(logs)


@contextmanager
def opened(paths: Sequence[Path], *, modified_since: float | None = None) -> Iterator[tuple[list[Log], list[str]]]:
    """The logs at these paths with their files open, each once, and sentences about those that cannot be opened.

    Files whose last line is older than `modified_since` (seconds of the epoch) are left out. Files may be moved, made
    and deleted meanwhile: what was in the log when this was called is in the segments, but for what was deleted.
    """
    _raise_limit()
    problems: list[str] = []
    logs = [Log(path) for path in paths]
    try:
        for log in logs:
            log.segments = _opened(log.path, modified_since, problems)
        yield logs, problems
    finally:
        for log in logs:
            for segment in log.segments:
                os.close(segment.descriptor)


def _opened(path: Path, modified_since: float | None, problems: list[str]) -> list[Segment]:
    """The files of a log. They move to older names only: who goes from the newest to the oldest meets each of them."""
    for attempt in range(1, ATTEMPTS + 1):
        found: dict[Identity, Segment] = {}
        unreadable: dict[Path, str] = {}
        before: list[Name] = []
        names = first = listing(path)
        while names != before:
            for name in names:
                _meet(name, modified_since, found, unreadable)
            before, names = names, listing(path)
        # A file that was compressed meanwhile is another file with the same lines.
        if attempt == ATTEMPTS or {name for name in names if name.compression} <= set(first):
            break
        for segment in found.values():
            os.close(segment.descriptor)
    problems += unreadable.values()
    return sorted(found.values(), key=lambda segment: segment.name.age)


def _meet(
    name: Name, modified_since: float | None, found: dict[Identity, Segment], unreadable: dict[Path, str]
) -> None:
    try:
        status = name.path.stat()
        is_old = modified_since is not None and status.st_mtime < modified_since
        if is_old or not stat.S_ISREG(status.st_mode):
            return
        if (known := found.get((status.st_dev, status.st_ino))) is None:
            descriptor = os.open(name.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        else:
            # It was moved since it was met.
            found[status.st_dev, status.st_ino] = replace(known, name=name)
            return
    except FileNotFoundError:
        return
    except OSError as error:
        unreadable[name.path] = f"{name.path} cannot be read: {error.strerror}."
        return
    status = os.fstat(descriptor)
    if (
        known := found.setdefault(
            (status.st_dev, status.st_ino), Segment(name, descriptor, status.st_size, status.st_mtime)
        )
    ).descriptor != descriptor:
        os.close(descriptor)


def _raise_limit() -> None:
    """Let this process hold as many files open as it may: a log may have hundreds, and DuckDB opens each once more."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
