"""Follow logs while they are written, rotated, truncated or recreated."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import orjson

from observability.log_analysis.lines import BLOCK_BYTES, MAX_LINE_BYTES, Record, read_lines_backwards
from observability.log_analysis.log_files import Log, LogFile, LogFileName
from observability.log_analysis.snapshot import FileIdentity, file_identity, is_deleted, scan_log

BATCH = 2_000
POLL_S = 0.2
# How long to wait for the end of the last line of a renamed file, and for the last lines of a deleted file.
GRACE_S = 3.0
# A file is recognized by this much of its first line.
FIRST_LINE_BYTES = 1_024


def read_last_records(logs: Sequence[Log], select: Callable[[list[bytes]], list[Record]], count: int) -> list[Record]:
    """Return the last `count` records that `select` returns for the lines of all logs, ordered by time.

    Records with the same time in the same log stay in the order in which they were written.
    """
    records: list[Record] = []
    for log in logs:
        of_log: list[Record] = []
        backwards = (line for file in reversed(log.files) for line in read_lines_backwards(file))
        # Usually the last few lines are enough.
        size = max(count, 1)
        while len(of_log) < count and (batch := list(islice(backwards, size))):
            of_log += select(batch)
            size = BATCH
        records += reversed(of_log[:count])
    records.sort(key=lambda record: str(record.get("timestamp")))
    return records[-count:] if count else []


def follow_logs(logs: Iterable[Log], until: datetime | None = None) -> Iterator[list[bytes]]:
    """Yield the new lines of these logs after each poll, also an empty list; the last poll is at `until`."""
    with ExitStack() as stack:
        tails = [LogTail(log) for log in logs]
        for tail in tails:
            stack.callback(tail.close)
        is_over = False
        while not is_over:
            is_over = until is not None and datetime.now(UTC) >= until
            yield [line for tail in tails for line in tail.read_new_lines()]
            if not is_over:
                time.sleep(POLL_S)


@dataclass(slots=True)
class _FollowedFile:
    """A file that is read as it grows: up to `position`; the last bytes before that are `rest`, a line without its end.

    `start` is the position at which following began. `left_at` is when it stopped being the current file.
    `first_line` is the beginning of the first line, as soon as it exists.
    """

    descriptor: int
    position: int = 0
    start: int = 0
    rest: bytearray = field(default_factory=bytearray)
    left_at: float | None = None
    first_line: bytes = b""
    # It has the lines of another file, which was or will be truncated (logrotate's `copytruncate`).
    is_copy: bool = False

    def is_truncated(self, size: int) -> bool:
        """Return whether the file, which has this size now, was emptied; it may be larger than before."""
        if size <= self.position:
            return size < self.position
        return os.pread(self.descriptor, len(self.first_line), 0) != self.first_line


class LogTail:
    """Reads what is added to one log, across rotation. Used by one thread; `close` ends it.

    No line is lost to renames, however many happen between two polls, as long as the files exist. The lines of a file
    that is deleted before a poll are lost. Each file stays open as long as it has a name, because the system reuses the
    inode of a deleted file. A truncated file is read from its beginning, after its copy (logrotate's `copytruncate`).

    If the current file is deleted, the handler saves its last lines to the new file: these lines are read twice.
    """

    def __init__(self, log: Log) -> None:
        """Start at the end of the open files of the log."""
        self.path = log.path
        self._left_out_before = log.modified_since
        self._files: dict[FileIdentity, _FollowedFile] = {}
        for file in log.files:
            if not file.compression:
                self._follow(os.dup(file.descriptor), file.size)
        self._is_first_poll = True

    def read_new_lines(self) -> Iterator[bytes]:
        """Yield the lines since the last poll, oldest file first."""
        self._scan()
        # The size of the newest file comes first: a line that was written to an older file before it is then included.
        sizes = {identity: os.fstat(each.descriptor).st_size for identity, each in reversed(self._files.items())}
        for identity, size in reversed(sizes.items()):
            followed = self._files[identity]
            if followed.is_copy:
                is_over = True
            else:
                yield from self._read(followed, size)
                is_over = followed.left_at is not None and time.monotonic() - followed.left_at > GRACE_S
                if is_over and followed.position > followed.start and followed.rest:
                    yield bytes(followed.rest)
                    followed.rest.clear()
            if is_over and is_deleted(followed.descriptor):
                os.close(followed.descriptor)
                del self._files[identity]

    def close(self) -> None:
        for followed in self._files.values():
            os.close(followed.descriptor)
        self._files.clear()

    def _scan(self) -> None:
        """Open new files, and find out which file is the current one."""
        scan = scan_log(self.path, self._is_new)
        for file in reversed(scan.newest_first()):
            self._begin(file)
        self._is_first_poll = False
        now = time.monotonic()
        for identity, followed in self._files.items():
            name = scan.names.get(identity)
            if name is not None and not name.rotation:
                followed.left_at = None
            elif followed.left_at is None:
                followed.left_at = now

    def _is_new(self, name: LogFileName, status: os.stat_result) -> bool:
        return not name.compression and file_identity(status) not in self._files

    def _begin(self, file: LogFile) -> None:
        """Follow a file that is new, or that was left out when the log was opened."""
        since = self._left_out_before
        was_left_out = self._is_first_poll and since is not None and file.modified < since
        first_line = _first_line(file.descriptor)
        is_copy = bool(first_line and file.name.rotation) and any(
            followed.first_line == first_line for followed in self._files.values()
        )
        followed = self._follow(file.descriptor, file.size if was_left_out else 0)
        followed.is_copy = is_copy
        followed.first_line = first_line

    def _follow(self, descriptor: int, start: int) -> _FollowedFile:
        followed = _FollowedFile(descriptor, _line_start(descriptor, start), start)
        if start:
            followed.first_line = _first_line(descriptor)
        self._files[file_identity(os.fstat(descriptor))] = followed
        return followed

    def _read(self, followed: _FollowedFile, size: int) -> Iterator[bytes]:
        if followed.is_truncated(size):
            yield from self._read_rest_of_copy(followed)
            followed.position = followed.start = 0
            followed.rest.clear()
            followed.first_line = b""
        yield from _read_growth(followed, size)
        if not followed.first_line and followed.position:
            followed.first_line = _first_line(followed.descriptor)

    def _read_rest_of_copy(self, truncated: _FollowedFile) -> Iterator[bytes]:
        """Yield what was added to a file before it was copied and truncated."""
        # The copy may be newer than the last scan; it is older than the truncation.
        self._scan()
        for copy in self._files.values():
            if copy.is_copy and copy.first_line == truncated.first_line:
                copy.position, copy.rest = truncated.position, truncated.rest[:]
                yield from _read_growth(copy, os.fstat(copy.descriptor).st_size)
                return


def _read_growth(followed: _FollowedFile, size: int) -> Iterator[bytes]:
    """Yield the complete lines between the position and this size of the file."""
    while block := os.pread(followed.descriptor, max(0, min(BLOCK_BYTES, size - followed.position)), followed.position):
        followed.position += len(block)
        followed.rest += block
        end = followed.rest.rfind(b"\n") + 1
        if end or len(followed.rest) > MAX_LINE_BYTES:
            whole = bytes(followed.rest[: end or None])
            del followed.rest[: end or None]
            yield from filter(None, whole.split(b"\n"))


def _first_line(descriptor: int) -> bytes:
    """Return the beginning of the first line, without its end; empty while the line is not complete."""
    block = os.pread(descriptor, FIRST_LINE_BYTES, 0)
    line, end, _ = block.partition(b"\n")
    return line if end or len(block) == FIRST_LINE_BYTES else b""


def _line_start(descriptor: int, size: int) -> int:
    """Return where the unfinished last line of a file of this size begins; the size itself if the line is whole."""
    begin, text = size, b""
    while begin > 0 and b"\n" not in text and len(text) < MAX_LINE_BYTES:
        start = max(0, begin - (BLOCK_BYTES if text else 1))
        text = os.pread(descriptor, begin - start, start) + text
        begin = start
    fragment = text[text.rfind(b"\n") + 1 :]
    try:
        orjson.loads(fragment)
    except ValueError:
        return size - len(fragment)
    return size
