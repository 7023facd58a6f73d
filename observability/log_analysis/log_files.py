"""Find the files of a log by name: the current file, and the files that rotation renamed and compressed."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from observability.log_analysis import LogAnalysisError

# Suffixes that rotation and logrotate append: `.3`, `-20261126`, `.2026-11-26`, then the suffix of the compression.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}
_rotated = re.compile(r"[.-](?P<rotation>\d[\d._-]*)(?P<compression>\.gz|\.zst|\.bz2|\.xz)?\Z")
_log_patterns = ("*.jsonl", "*.ndjson", "*.json", "*.log")
# A suffix of six digits is a date.
MAX_NUMBER_DIGITS = 5
# Names of logs that repeat lines of other logs. They may have lines that the other logs have already deleted.
REPEATING_LOGS = ("errors", "sql")


class LogFileName(NamedTuple):
    """The name of a file. `rotation` is the suffix from rotation (`3`, `20261126`), empty for the current file."""

    path: Path
    rotation: str
    compression: str

    @property
    def number(self) -> int | None:
        """The number of a numbered file; None for a dated file and for the current file."""
        is_number = self.rotation.isdigit() and len(self.rotation) <= MAX_NUMBER_DIGITS
        return int(self.rotation) if is_number else None

    @property
    def sort_key(self) -> tuple[int, int, str, bool]:
        """Sort oldest first: higher numbers and earlier dates are older. A compressed file comes before a plain one."""
        if not self.rotation:
            return (2, 0, "", True)
        if self.number is not None:
            return (0, -self.number, "", not self.compression)
        return (1, 0, self.rotation, not self.compression)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One open file of a log. It remains readable if it is renamed or deleted.

    `size` is in bytes: lines after it are not read. `modified` is in seconds since 1970.
    """

    name: LogFileName
    descriptor: int
    size: int
    modified: float

    @property
    def path(self) -> Path:
        return self.name.path

    @property
    def compression(self) -> str:
        """`gzip`, `zstd`, `bzip2`, `xz`, or empty."""
        return self.name.compression

    @property
    def open_path(self) -> Path:
        """A path that opens this file even if it was renamed; on systems without `/proc`, its name."""
        path = Path(f"/proc/self/fd/{self.descriptor}")
        return path if path.exists() else self.path


@dataclass(slots=True)
class Log:
    """A log and its open files, oldest first.

    Files whose last line is older than `modified_since` (seconds since 1970) are left out.
    """

    path: Path
    files: list[LogFile] = field(default_factory=list)
    modified_since: float | None = None

    @property
    def name(self) -> str:
        """The name of the current file without its suffix."""
        return self.path.stem


def main_logs(logs: Sequence[Log]) -> list[Log]:
    """Return the logs without those that repeat lines of other logs; all logs if only such logs exist."""
    return [log for log in logs if log.name not in REPEATING_LOGS] or list(logs)


def find_logs(paths: Iterable[Path]) -> list[Path]:
    """Return the logs in these directories and files, each by the path of its current file.

    A rotated file belongs to its log if the log is found too; otherwise it counts as a log. Raises LogAnalysisError for
    a path that does not exist, and for a directory that cannot be read.
    """
    candidates: list[Path] = []
    for path in paths:
        if path.is_dir():
            candidates += _find_in_directory(path)
        elif path.exists() or list_files(path):
            candidates.append(path)
        else:
            raise LogAnalysisError(f"{path} does not exist. Use --in PATH to read another directory or log file.")
    # The same log may be given twice, also by two different names.
    logs = list({path.resolve(): path for path in candidates}.values())
    return [path for path in logs if _current_path(path) not in logs]


def list_files(path: Path) -> list[LogFileName]:
    """Return the files of the log whose current file is `path`, newest first."""
    names = []
    try:
        entries = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []
    for entry in entries:
        match = _rotated.match(entry, len(path.name)) if entry.startswith(path.name) else None
        if entry == path.name:
            names.append(current_file(path))
        elif match:
            compression = COMPRESSIONS.get(match["compression"] or "", "")
            names.append(LogFileName(path.with_name(entry), match["rotation"], compression))
    return sorted(names, key=lambda name: name.sort_key, reverse=True)


def current_file(path: Path) -> LogFileName:
    """Return the name of a log's current file. It is compressed only if a single rotated file was given."""
    return LogFileName(path, "", COMPRESSIONS.get(path.suffix, ""))


def numbered_files(path: Path, number: int, endings: Iterable[str]) -> list[LogFileName]:
    """Return the names that rotation may give to a file with this number, one per suffix (`""`, `.gz`)."""
    return [
        LogFileName(path.with_name(f"{path.name}.{number}{ending}"), str(number), COMPRESSIONS.get(ending, ""))
        for ending in endings
    ]


def _find_in_directory(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            names = {entry.name for entry in entries if entry.is_file()}
    except OSError as error:
        raise LogAnalysisError(f"{directory} cannot be read: {error.strerror}.") from error
    # A log may have rotated files but no current file.
    names |= {name[: match.start()] for name in names if (match := _rotated.search(name))}
    paths = (directory / name for name in sorted(names))
    return [path for path in paths if any(path.match(pattern) for pattern in _log_patterns)]


def _current_path(path: Path) -> Path | None:
    """Return the path of the current file for the path of a rotated file; None for other paths."""
    match = _rotated.search(path.name)
    return path.with_name(path.name[: match.start()]) if match else None
