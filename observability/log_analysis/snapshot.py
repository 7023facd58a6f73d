"""Open all files of logs as they are at one moment, while other processes rotate, compress and delete them."""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from observability.log_analysis import LogAnalysisError
from observability.log_analysis.log_files import Log, LogFile, LogFileName, current_file, list_files, numbered_files

MAX_OPEN_FILES = 65_536
# The number of scans of a directory while its files are compressed, or renamed to a name with a date.
MAX_SCANS = 10
# If this many consecutive numbers have no file, the scan ends. Rotation leaves only one number free at a time.
MAX_FREE_NUMBERS = 10

# The device and the inode.
FileIdentity = tuple[int, int]
IsWanted = Callable[[LogFileName, os.stat_result], bool]


@contextmanager
def open_logs(paths: Sequence[Path], *, modified_since: float | None = None) -> Iterator[tuple[list[Log], list[str]]]:
    """Open the files of the logs at these paths. Also yield an error message for each file that cannot be opened.

    Files whose last line is older than `modified_since` (seconds since 1970) are left out. Other processes may rename,
    create, delete and compress files meanwhile. Each line that was in a log at the time of the call, and that was not
    deleted, is in the files exactly once, without gaps.
    """
    _raise_open_file_limit()
    problems: list[str] = []
    logs = [Log(path, modified_since=modified_since) for path in paths]
    try:
        for log in logs:
            log.files = _open_files(log.path, modified_since, problems)
        yield logs, problems
    finally:
        for log in logs:
            _close(log.files)


@dataclass(slots=True)
class LogScan:
    """The result of `scan_log`.

    `names` has the last name found of each file, newest first. `opened` has the wanted files, which the caller of
    `scan_log` must close. `unreadable` has an error message for each file that cannot be opened.
    """

    names: dict[FileIdentity, LogFileName] = field(default_factory=dict)
    opened: dict[FileIdentity, LogFile] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)
    visited: set[LogFileName] = field(default_factory=set)

    def newest_first(self) -> list[LogFile]:
        """Return the open files, newest first. Deleted files come last, because rotation deletes the oldest ones."""
        files = [self.opened[identity] for identity in self.names if identity in self.opened]
        return sorted(files, key=lambda file: is_deleted(file.descriptor))


def scan_log(path: Path, is_wanted: IsWanted) -> LogScan:
    """Open the wanted files of the log whose current file is `path`, while other processes rename them.

    Rotation always renames a file to an older name. So a scan from the newest name to the oldest finds each file. If a
    file is renamed during the scan, the scan finds it again under its older name, and the last name counts. A listing
    of the directory is not enough: it misses files that are renamed at that moment. So the scan tries all numbers.
    """
    scan = LogScan()
    names = {*list_files(path), current_file(path)}
    listed_paths = {name.path for name in names}
    numbered = [name for name in names if name.number is not None]
    last_number = max((name.number or 0 for name in numbered), default=0)
    endings = sorted({"", *(name.path.suffix for name in numbered if name.compression)})
    names |= {name for number in range(1, last_number + 1) for name in numbered_files(path, number, endings)}
    for name in sorted(names, key=lambda name: name.sort_key, reverse=True):
        _scan_name(name, is_wanted, scan)
    free_count = 0
    for number in count(last_number + 1):
        exist = [_scan_name(name, is_wanted, scan) for name in numbered_files(path, number, endings)]
        free_count = 0 if any(exist) else free_count + 1
        if free_count == MAX_FREE_NUMBERS:
            break
    # Report only names of the listing: a name that the scan tried may not exist.
    scan.unreadable = {path: problem for path, problem in scan.unreadable.items() if path in listed_paths}
    return scan


def file_identity(status: os.stat_result) -> FileIdentity:
    """Return the identity of a file, which stays the same if the file is renamed."""
    return status.st_dev, status.st_ino


def is_deleted(descriptor: int) -> bool:
    """Return whether an open file no longer has a name."""
    return os.fstat(descriptor).st_nlink == 0


def _open_files(path: Path, modified_since: float | None, problems: list[str]) -> list[LogFile]:
    """Open the files of a log, oldest first. Scan again if a file was compressed meanwhile: it is a new file then."""
    attempt = 1
    while True:
        scan = scan_log(path, lambda _, status: modified_since is None or status.st_mtime >= modified_since)
        files = _select_files(scan.newest_first())
        is_complete = not any(_was_missed(name, scan) for name in list_files(path))
        # If rotation deletes files immediately, it may have deleted all opened files.
        if (is_complete and (files or not scan.opened)) or attempt == MAX_SCANS:
            problems += scan.unreadable.values()
            return files[::-1]
        _close(files)
        attempt += 1


def _scan_name(name: LogFileName, is_wanted: IsWanted, scan: LogScan) -> bool:
    """Add the file that has this name now to the scan. Return whether the file exists."""
    scan.visited.add(name)
    try:
        status = name.path.stat()
        if not stat.S_ISREG(status.st_mode):
            return True
        if file_identity(status) not in scan.opened and is_wanted(name, status):
            status = _open(name, is_wanted, scan)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            raise LogAnalysisError(
                "The logs have more files than this process may open: raise the limit with `ulimit -n`."
            ) from error
        scan.unreadable[name.path] = f"{name.path} cannot be read: {error.strerror}."
        # Count the file as missing: in a directory without search permission, each number gives this error.
        return False
    identity = file_identity(status)
    scan.names.pop(identity, None)
    scan.names[identity] = name
    if identity in scan.opened:
        scan.opened[identity] = replace(scan.opened[identity], name=name)
    return True


def _open(name: LogFileName, is_wanted: IsWanted, scan: LogScan) -> os.stat_result:
    """Open the file that has this name now. Close it if it is already open or not wanted: names change meanwhile."""
    descriptor = os.open(name.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    status = os.fstat(descriptor)
    if file_identity(status) in scan.opened or not is_wanted(name, status):
        os.close(descriptor)
    else:
        scan.opened[file_identity(status)] = LogFile(name, descriptor, status.st_size, status.st_mtime)
    return status


def _was_missed(name: LogFileName, scan: LogScan) -> bool:
    """Return whether the scan missed the file that now has this name. A file that only got another number was found."""
    if not name.compression:
        return name.number is None and name not in scan.visited
    try:
        return file_identity(name.path.stat()) not in scan.names
    except OSError:
        return False


def _select_files(files: Iterable[LogFile]) -> list[LogFile]:
    """Return the files of the snapshot, newest first, each with its present size. Close the other files.

    The size of the newest file is read first. So the size of an older file includes all lines that were written before
    the lines of the newer file. A deleted file is left out: its lines are deleted, or they are in a compressed file.
    """
    selected: list[LogFile] = []
    plain: dict[str, LogFile] = {}
    for file in files:
        status = os.fstat(file.descriptor)
        original = plain.get(file.name.rotation) if file.compression else None
        # A complete compressed file has the modification time of its original, possibly in whole seconds.
        is_copy = original is not None and int(status.st_mtime) >= int(original.modified)
        if status.st_nlink == 0 or is_copy:
            _close([file])
            continue
        selected.append(replace(file, size=status.st_size, modified=status.st_mtime))
        if not file.compression:
            plain[file.name.rotation] = selected[-1]
    return selected


def _close(files: Iterable[LogFile]) -> None:
    for file in files:
        os.close(file.descriptor)


def _raise_open_file_limit() -> None:
    """Raise the limit of open files of this process. A log can have hundreds of files, and DuckDB opens each again."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        # Some systems report a higher limit than they allow.
        with suppress(ValueError, OSError):
            if soft != resource.RLIM_INFINITY and soft < limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
