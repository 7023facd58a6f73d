"""The files of a log by their names: the one that is written, and those that rotation moved away."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from observability.log_analysis.mistake import ReadingError

# By what rotation and logrotate append to a name: `.3`, `-20261126`, `.2026-11-26`, and how it was compressed.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
_rotated = re.compile(r"[.-](?P<mark>\d[\d._-]*)(?P<compression>\.gz|\.zst|\.bz2|\.xz)?\Z")
_log_names = ("*.jsonl", "*.ndjson", "*.json", "*.log")
# Six digits are a date.
MAX_NUMBER_DIGITS = 5


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
