"""The files of logs, all of them open, as they were at one moment."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from observability.log_analysis.names import Name, listing
from observability.log_analysis.segments import Segment, Walk, identity_of, walk

MAX_OPEN_FILES = 65_536
# The logs whose lines stand in another log too, by name; what they alone still have is told as well.
REPEATING = ("errors", "sql")
# How often a directory is looked at anew while its files are being compressed, or moved to a name with a date.
ATTEMPTS = 10


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
