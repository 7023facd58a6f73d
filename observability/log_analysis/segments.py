"""The files of a log, opened one after the other while others move them."""

import errno
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from observability.log_analysis.mistake import ReadingError
from observability.log_analysis.names import COMPRESSIONS, Name, listing

# After so many numbers in a row without a file there is none: rotation leaves one of them free at a time.
FREE_NUMBERS = 10

Identity = tuple[int, int]


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
