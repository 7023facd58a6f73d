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
# The time to wait for the rest of the last line of a renamed file, and for the last lines of a deleted file.
GRACE_S = 3.0
# The number of bytes of the first line by which a file is recognized.
FIRST_LINE_BYTES = 1_024


def read_last_records(logs: Sequence[Log], select: Callable[[list[bytes]], list[Record]], count: int) -> list[Record]:
    """Return the last `count` records that `select` returns for the lines of all logs, ordered by time.

    Records of the same log with the same time keep the order of the file.
    """
    records: list[Record] = []
    for log in logs:
        log_records: list[Record] = []
        backwards = (line for file in reversed(log.files) for line in read_lines_backwards(file))
        # Usually the last few lines are enough.
        size = max(count, 1)
        while len(log_records) < count and (batch := list(islice(backwards, size))):
            log_records += select(batch)
            size = BATCH
        records += reversed(log_records[:count])
    records.sort(key=lambda record: str(record.get("timestamp")))
    return records[-count:] if count else []


def follow_logs(logs: Iterable[Log], until: datetime | None = None) -> Iterator[list[bytes]]:
    """Yield a list of the new lines of these logs after each poll; it may be empty. The last poll is at `until`."""
    with ExitStack() as stack:
        tails = [LogTail(log) for log in logs]
        for tail in tails:
            stack.callback(tail.close)
        is_finished = False
        while not is_finished:
            is_finished = until is not None and datetime.now(UTC) >= until
            yield [line for tail in tails for line in tail.read_new_lines()]
            if not is_finished:
                time.sleep(POLL_S)


@dataclass(slots=True)
class _FollowedFile:
    """A file that is read while it grows.

    `start` is the size of the file when following began. `position` is the position of the next byte to read.
    `unfinished` has the bytes of a last line whose end is not written yet. `left_at` is the time at which the file
    stopped being the current file. `first_line` is the beginning of the first line, or empty until it is complete.
    """

    descriptor: int
    position: int = 0
    start: int = 0
    unfinished: bytearray = field(default_factory=bytearray)
    left_at: float | None = None
    first_line: bytes = b""
    # The file is a copy of another one, which was or will be truncated (logrotate's `copytruncate`).
    is_copy: bool = False

    def is_truncated(self, size: int) -> bool:
        """Return whether the file was truncated. `size` is its present size, which may be larger than before."""
        if size <= self.position:
            return size < self.position
        return os.pread(self.descriptor, len(self.first_line), 0) != self.first_line


class LogTail:
    """Reads new lines of one log, across rotation. Used by one thread; `close` ends it.

    No line is lost by renames, even if there are many between two polls. The lines of a file that is deleted before a
    poll are lost. A file stays open until it is deleted, because the system reuses the inode of a deleted file. If a
    file was truncated, the rest of its copy is read first (logrotate's `copytruncate`), then the file from its start.

    If the current file is deleted, the handler writes its last lines again to the new file. These lines are read twice.
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
        # Read the size of the newest file first: older files then include all lines that were written before its lines.
        sizes = {identity: os.fstat(each.descriptor).st_size for identity, each in reversed(self._files.items())}
        for identity, size in reversed(sizes.items()):
            followed = self._files[identity]
            if followed.is_copy:
                is_finished = True
            else:
                yield from self._read(followed, size)
                is_finished = followed.left_at is not None and time.monotonic() - followed.left_at > GRACE_S
                if is_finished and followed.position > followed.start and followed.unfinished:
                    yield bytes(followed.unfinished)
                    followed.unfinished.clear()
            if is_finished and is_deleted(followed.descriptor):
                os.close(followed.descriptor)
                del self._files[identity]

    def close(self) -> None:
        for followed in self._files.values():
            os.close(followed.descriptor)
        self._files.clear()

    def _scan(self) -> None:
        """Open new files, and note when a file stopped being the current one."""
        scan = scan_log(self.path, self._is_new)
        for file in reversed(scan.newest_first()):
            self._follow_new_file(file)
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

    def _follow_new_file(self, file: LogFile) -> None:
        """Follow a file that is new, or that was left out because all its lines were too old."""
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
            followed.unfinished.clear()
            followed.first_line = b""
        yield from _read_growth(followed, size)
        if not followed.first_line and followed.position:
            followed.first_line = _first_line(followed.descriptor)

    def _read_rest_of_copy(self, truncated: _FollowedFile) -> Iterator[bytes]:
        """Yield the lines that were added to a file before it was copied and truncated."""
        # The copy may be newer than the last scan. It exists before the truncation.
        self._scan()
        for copy in self._files.values():
            if copy.is_copy and copy.first_line == truncated.first_line:
                copy.position, copy.unfinished = truncated.position, truncated.unfinished[:]
                yield from _read_growth(copy, os.fstat(copy.descriptor).st_size)
                return


def _read_growth(followed: _FollowedFile, size: int) -> Iterator[bytes]:
    """Yield the complete lines from the position up to this size of the file."""
    while block := os.pread(followed.descriptor, max(0, min(BLOCK_BYTES, size - followed.position)), followed.position):
        followed.position += len(block)
        followed.unfinished += block
        end = followed.unfinished.rfind(b"\n") + 1
        if end or len(followed.unfinished) > MAX_LINE_BYTES:
            whole = bytes(followed.unfinished[: end or None])
            del followed.unfinished[: end or None]
            yield from filter(None, whole.split(b"\n"))


def _first_line(descriptor: int) -> bytes:
    """Return the beginning of the first line; empty if the line is not complete yet."""
    block = os.pread(descriptor, FIRST_LINE_BYTES, 0)
    line, end, _ = block.partition(b"\n")
    return line if end or len(block) == FIRST_LINE_BYTES else b""


def _line_start(descriptor: int, size: int) -> int:
    """Return the position of an unfinished last line; the size itself if the last line is complete."""
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
