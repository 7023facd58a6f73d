"""The files of a log: the one that is written, and those that rotation moved away, compressed or not."""

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

from observability.logs.reading.mistake import ReadingError

# By what rotation and logrotate append to a name: `.3`, `-20261126`, `.2026-11-26`, and how it was compressed.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
_rotated = re.compile(r"[.-](?P<mark>\d[\d._-]*)(?P<compression>\.gz|\.zst|\.bz2|\.xz)?\Z")
_log_names = ("*.jsonl", "*.ndjson", "*.json", "*.log")
# Six digits are a date.
MAX_NUMBER_DIGITS = 5
MAX_OPEN_FILES = 65_536
# The logs whose lines stand in another log too, by name; what they alone still have is told as well.
REPEATING = ("errors", "sql")
# How often a directory is looked at anew while its files are being compressed, or moved to a name with a date.
ATTEMPTS = 10
# After so many numbers in a row without a file there is none: rotation leaves one of them free at a time.
FREE_NUMBERS = 10

Identity = tuple[int, int]


class Name(NamedTuple):
    """A file of a log by its name: `mark` is what rotation gave it, empty for the one that is written."""

    path: Path
    mark: str
    compression: str

    @property
    def number(self) -> int | None:
        """Which of the numbered files it is; None for one with a date, and for the one that is written."""
        return int(self.mark) if self.mark.isdigit() and len(self.mark) <= MAX_NUMBER_DIGITS else None

    @property
    def age(self) -> tuple[int, int, str, bool]:
        """Sorts the files of a log from the oldest: numbers grow with age, dates fall; what is compressed is older."""
        if not self.mark:
            return (2, 0, "", True)
        if self.number is not None:
            return (0, -self.number, "", not self.compression)
        return (1, 0, self.mark, not self.compression)


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
    """A log with its files, oldest first. Its name is that of the file that is written, without the ending.

    Files whose last line is older than `modified_since` (seconds of the epoch) were left out.
    """

    path: Path
    segments: list[Segment] = field(default_factory=list)
    modified_since: float | None = None

    @property
    def name(self) -> str:
        return self.path.stem


def log_paths(places: Iterable[Path]) -> list[Path]:
    """The logs in these directories and files, by the path that is written.

    A rotated file is of its log, where that is among them too, and else a log of its own. Raises ReadingError for a
    place that is not there, or is a directory that cannot be read.
    """
    named: list[Path] = []
    for place in places:
        if place.is_dir():
            named += _logs_in(place)
        elif place.exists() or listing(place):
            named.append(place)
        else:
            raise ReadingError(f"{place} is not there.")
    # One that is named twice, by two of its names perhaps, is one.
    found = list({path.resolve(): path for path in named}.values())
    return [path for path in found if not ((match := _rotated.search(path.name)) and _of_log(path, match) in found)]


def _of_log(path: Path, rotation: re.Match[str]) -> Path:
    return path.with_name(path.name[: rotation.start()])


def _logs_in(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            names = {entry.name for entry in entries if entry.is_file()}
    except OSError as error:
        raise ReadingError(f"{directory} cannot be read: {error.strerror}.") from error
    # A log of which only rotated files are left is one, too.
    names |= {name[: match.start()] for name in names if (match := _rotated.search(name))}
    paths = (directory / name for name in sorted(names))
    return [path for path in paths if any(path.match(pattern) for pattern in _log_names)]


def listing(path: Path) -> list[Name]:
    """The files of the log that is written at `path`, by name, newest first."""
    names = []
    try:
        entries = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []
    for entry in entries:
        match = _rotated.match(entry, len(path.name)) if entry.startswith(path.name) else None
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

    Files whose last line is older than `modified_since` (seconds of the epoch) are left out. Files may be moved, made,
    deleted and compressed meanwhile: what was in the log when this was called is in the segments once, but for what was
    deleted. There is no gap in what they have: it is the log as it was at one moment.
    """
    _raise_limit()
    problems: list[str] = []
    logs = [Log(path, modified_since=modified_since) for path in paths]
    try:
        for log in logs:
            log.segments = _opened(log.path, modified_since, problems)
        yield logs, problems
    finally:
        for log in logs:
            _close(log.segments)


@dataclass(slots=True)
class Walk:
    """What one walk over the names of a log met; `walk` makes it.

    `names` has the name by which each file was met last, newest first; `opened` those files that were wanted, which
    whoever asked for the walk closes; `unreadable` a sentence for each that cannot be opened.
    """

    names: dict[Identity, Name] = field(default_factory=dict)
    opened: dict[Identity, Segment] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    visited: set[Name] = field(default_factory=set)

    def newest_first(self) -> list[Segment]:
        """The files that were opened; those that were deleted meanwhile last, which is why they were."""
        order = [self.opened[identity] for identity in self.names if identity in self.opened]
        return sorted(order, key=lambda segment: is_deleted(segment.descriptor))


def walk(path: Path, is_wanted: Callable[[Name, os.stat_result], bool]) -> Walk:
    """Open the files of the log that is written at `path`, as far as they are wanted, while others move them.

    Numbered files move to older names only. Who goes from the newest name to the oldest meets each of them, and one
    that was moved past another one again, after that: the order of the last meetings is theirs. A list of the directory
    does not do for that, as it misses what is moved while it is made; so all numbers are tried.
    """
    found = Walk()
    listed = {*listing(path), Name(path, "", COMPRESSIONS.get(path.suffix, ""))}
    numbered = [name for name in listed if name.number is not None]
    paths = {name.path for name in listed}
    last = max((name.number or 0 for name in numbered), default=0)
    endings = sorted({"", *(name.path.suffix for name in numbered if name.compression)})
    listed |= {each for number in range(1, last + 1) for each in _numbered(path, number, endings)}
    for name in sorted(listed, key=lambda name: name.age, reverse=True):
        _meet(name, is_wanted, found)
    free = 0
    for number in count(last + 1):
        are_met = [_meet(name, is_wanted, found) for name in _numbered(path, number, endings)]
        free = 0 if any(are_met) else free + 1
        if free == FREE_NUMBERS:
            break
    # Of a name that was only tried nobody knows whether there is a file.
    found.unreadable = {path: told for path, told in found.unreadable.items() if path in paths}
    return found


def _numbered(path: Path, number: int, endings: Iterable[str]) -> list[Name]:
    return [
        Name(path.with_name(f"{path.name}.{number}{ending}"), str(number), COMPRESSIONS.get(ending, ""))
        for ending in endings
    ]


def _meet(name: Name, is_wanted: Callable[[Name, os.stat_result], bool], found: Walk) -> bool:
    """Look at the file that has this name now; whether there is one."""
    found.visited.add(name)
    try:
        status = name.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return True
        if identity_of(status) not in found.opened and is_wanted(name, status):
            status = _open(name, is_wanted, found)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            raise ReadingError("There are more files than this process may open: raise `ulimit -n`.") from error
        found.unreadable[name.path] = f"{name.path} cannot be read: {error.strerror}."
        # Whether there is such a file is not known: where a directory may not be searched each number would be one.
        return False
    identity = identity_of(status)
    found.names.pop(identity, None)
    found.names[identity] = name
    if identity in found.opened:
        found.opened[identity] = replace(found.opened[identity], name=name)
    return True


def _open(name: Name, is_wanted: Callable[[Name, os.stat_result], bool], found: Walk) -> os.stat_result:
    """Open what has the name now, which may be another file than a moment ago: one that is known, or not wanted."""
    descriptor = os.open(name.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    status = os.fstat(descriptor)
    if identity_of(status) in found.opened or not is_wanted(name, status):
        os.close(descriptor)
    else:
        found.opened[identity_of(status)] = Segment(name, descriptor, status.st_size, status.st_mtime)
    return status


def identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def is_deleted(descriptor: int) -> bool:
    """Whether an open file has no name any more."""
    return os.fstat(descriptor).st_nlink == 0


def _opened(path: Path, modified_since: float | None, problems: list[str]) -> list[Segment]:
    """The files of a log. One that was compressed meanwhile is another file with the same lines."""
    attempt = 1
    while True:
        found = walk(path, lambda _, status: modified_since is None or status.st_mtime >= modified_since)
        segments = _settled(found.newest_first())
        is_complete = not any(_is_missed(name, found) for name in listing(path))
        # Rotation that deletes each file within a moment may have left none of them.
        if (is_complete and (segments or not found.opened)) or attempt == ATTEMPTS:
            problems += found.unreadable.values()
            return segments[::-1]
        _close(segments)
        attempt += 1


def _is_missed(name: Name, found: Walk) -> bool:
    """Whether the file that has this name now was not met. What was only numbered anew by rotation was."""
    if not name.compression:
        return name.number is None and name not in found.visited
    try:
        return identity_of(name.path.stat()) not in found.names
    except OSError:
        return False


def _settled(segments: Iterable[Segment]) -> list[Segment]:
    """Those that go into the answer, newest first, each up to where it is now; the others are closed.

    The size of the newest is asked first: a line of an older file that was written before one of these is there then.
    What was deleted is left out: that is what became of it, or it is there again, compressed.
    """
    kept: list[Segment] = []
    plain: dict[str, Segment] = {}
    for segment in segments:
        status = os.fstat(segment.descriptor)
        original = plain.get(segment.name.mark) if segment.compression else None
        # Who compresses a file gives its time to the new one, in seconds perhaps, when that is complete.
        is_copy = original is not None and int(status.st_mtime) >= int(original.modified)
        if status.st_nlink == 0 or is_copy:
            _close([segment])
            continue
        kept.append(replace(segment, size=status.st_size, modified=status.st_mtime))
        if not segment.compression:
            plain[segment.name.mark] = kept[-1]
    return kept


def _close(segments: Iterable[Segment]) -> None:
    for segment in segments:
        os.close(segment.descriptor)


def _raise_limit() -> None:
    """Let this process hold as many files open as it may: a log may have hundreds, and DuckDB opens each once more."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        # Some systems have a limit below the one that they tell.
        with suppress(ValueError, OSError):
            if soft != resource.RLIM_INFINITY and soft < wanted:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
