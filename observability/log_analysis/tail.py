"""Following a log while it is written, moved away by rotation, truncated or made anew."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import orjson

from observability.log_analysis.lines import BLOCK_BYTES, MAX_LINE_BYTES, Record, lines, lines_backwards
from observability.log_analysis.names import Name
from observability.log_analysis.segments import Identity, Segment, identity_of, is_deleted, walk
from observability.log_analysis.snapshot import Log

BATCH = 2_000
POLL_S = 0.2
# How long a line of a file that was moved away may take to get its end, and a deleted file its last lines.
GRACE_S = 3.0
# By so much of its first line a file is known again.
FIRST_LINE_BYTES = 1_024


def _timestamp(record: Record) -> str:
    return str(record.get("timestamp"))


def newest(
    logs: Sequence[Log],
    wanted: Callable[[list[bytes]], list[Record]],
    count: int,
    moment: Callable[[Record], str] = _timestamp,
) -> list[Record]:
    """The last `count` records that are wanted of all these logs, by time; `moment` gives it as text that sorts.

    Records of one moment and log stay in the order in which they were written.
    """
    found: list[Record] = []
    for log in logs:
        of_log: list[Record] = []
        backwards = (line for segment in reversed(log.segments) for line in lines_backwards(segment))
        # Most often the first few lines are enough.
        size = max(count, 1)
        while len(of_log) < count and (batch := list(islice(backwards, size))):
            of_log += wanted(batch)
            size = BATCH
        found += reversed(of_log[:count])
    found.sort(key=moment)
    return found[-count:] if count else []


def all_lines(logs: Sequence[Log]) -> Iterator[bytes]:
    """All lines, log by log, each from its oldest."""
    for log in logs:
        for segment in log.segments:
            yield from lines(segment)


@dataclass(slots=True)
class _Followed:
    """A file that is read as it grows: up to `position`, the last bytes of which are `rest`, a line without its end.

    `told` is how far its lines were told when it began to be followed. `left_at` is when it was found to be no longer
    the one that is written. `first_line` is the beginning of it, as soon as that is there.
    """

    descriptor: int
    position: int = 0
    told: int = 0
    rest: bytearray = field(default_factory=bytearray)
    left_at: float | None = None
    first_line: bytes = b""
    # It has the lines of another one, which was emptied after that, or will be.
    is_copy: bool = False

    def has_begun_anew(self, size: int) -> bool:
        """Whether the file, which is so large now, was emptied: it may be larger than before."""
        if size <= self.position:
            return size < self.position
        return os.pread(self.descriptor, len(self.first_line), 0) != self.first_line


class Tail:
    """Reads what is added to one log, through rotation. Used by one thread; `close` ends it.

    Nothing is lost to a rename, however many happen between two looks, while the files are there; of one that was
    deleted before it was looked at nothing is known. Each file is held open for as long as it has a name, since the
    system gives the number of a deleted one to the next. A file that was emptied is read from its beginning, after the
    copy that was made of it (logrotate's `copytruncate`).

    What a handler saves of a file that somebody deleted while it was written comes twice: the lines stand in both.
    """

    def __init__(self, log: Log) -> None:
        """Go on where the segments of the log end."""
        self.path = log.path
        self._left_out_before = log.modified_since
        self._files: dict[Identity, _Followed] = {}
        for segment in log.segments:
            if not segment.compression:
                self._follow(os.dup(segment.descriptor), segment.size)
        self._is_first_look = True

    def added(self) -> Iterator[bytes]:
        """The lines since the last look, oldest file first."""
        self._look()
        # The newest is asked first: what a process wrote to an older file before it wrote to this one is seen then.
        sizes = {identity: os.fstat(each.descriptor).st_size for identity, each in reversed(self._files.items())}
        for identity, size in reversed(sizes.items()):
            followed = self._files[identity]
            if followed.is_copy:
                is_over = True
            else:
                yield from self._read(followed, size)
                is_over = followed.left_at is not None and time.monotonic() - followed.left_at > GRACE_S
                if is_over and followed.position > followed.told and followed.rest:
                    yield bytes(followed.rest)
                    followed.rest.clear()
            if is_over and is_deleted(followed.descriptor):
                os.close(followed.descriptor)
                del self._files[identity]

    def close(self) -> None:
        for followed in self._files.values():
            os.close(followed.descriptor)
        self._files.clear()

    def _look(self) -> None:
        """Open the files that are new, and see which is the one that is written."""
        found = walk(self.path, self._is_new)
        for segment in reversed(found.newest_first()):
            self._begin(segment)
        self._is_first_look = False
        now = time.monotonic()
        for identity, followed in self._files.items():
            name = found.names.get(identity)
            if name is not None and not name.mark:
                followed.left_at = None
            elif followed.left_at is None:
                followed.left_at = now

    def _is_new(self, name: Name, status: os.stat_result) -> bool:
        return not name.compression and identity_of(status) not in self._files

    def _begin(self, segment: Segment) -> None:
        """Follow a file that was not there before, or was left out when the log was opened."""
        since = self._left_out_before
        was_left_out = self._is_first_look and since is not None and segment.modified < since
        first_line = _first_line(segment.descriptor)
        is_copy = bool(first_line and segment.name.mark) and any(
            followed.first_line == first_line for followed in self._files.values()
        )
        followed = self._follow(segment.descriptor, segment.size if was_left_out else 0)
        followed.is_copy = is_copy
        followed.first_line = first_line

    def _follow(self, descriptor: int, told: int) -> _Followed:
        followed = _Followed(descriptor, _unfinished(descriptor, told), told)
        if told:
            followed.first_line = _first_line(descriptor)
        self._files[identity_of(os.fstat(descriptor))] = followed
        return followed

    def _read(self, followed: _Followed, size: int) -> Iterator[bytes]:
        if followed.has_begun_anew(size):
            yield from self._rest_in_copy(followed)
            followed.position = followed.told = 0
            followed.rest.clear()
            followed.first_line = b""
        yield from _grown(followed, size)
        if not followed.first_line and followed.position:
            followed.first_line = _first_line(followed.descriptor)

    def _rest_in_copy(self, emptied: _Followed) -> Iterator[bytes]:
        """What was added to a file before it was copied and emptied."""
        # The copy may have been made after the last look; it was made before the file was emptied.
        self._look()
        for copy in self._files.values():
            if copy.is_copy and copy.first_line == emptied.first_line:
                copy.position, copy.rest = emptied.position, emptied.rest[:]
                yield from _grown(copy, os.fstat(copy.descriptor).st_size)
                return


def _grown(followed: _Followed, size: int) -> Iterator[bytes]:
    """The lines behind its position that have an end, up to this size of the file."""
    while block := os.pread(followed.descriptor, max(0, min(BLOCK_BYTES, size - followed.position)), followed.position):
        followed.position += len(block)
        followed.rest += block
        end = followed.rest.rfind(b"\n") + 1
        if end or len(followed.rest) > MAX_LINE_BYTES:
            whole = bytes(followed.rest[: end or None])
            del followed.rest[: end or None]
            yield from filter(None, whole.split(b"\n"))


def _first_line(descriptor: int) -> bytes:
    """The beginning of the first line, without its end; nothing where it is not complete."""
    block = os.pread(descriptor, FIRST_LINE_BYTES, 0)
    line, end, _ = block.partition(b"\n")
    return line if end or len(block) == FIRST_LINE_BYTES else b""


def _unfinished(descriptor: int, size: int) -> int:
    """Where the line begins that a file of this size ends within; its size where it does not, or the line is whole."""
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


def added(logs: Iterable[Log], until: datetime | None = None) -> Iterator[list[bytes]]:
    """What is added to these logs, a list after each look, also an empty one; the last look is at `until`."""
    with ExitStack() as stack:
        tails = [Tail(log) for log in logs]
        for tail in tails:
            stack.callback(tail.close)
        is_over = False
        while not is_over:
            is_over = until is not None and datetime.now(UTC) >= until
            yield [line for tail in tails for line in tail.added()]
            if not is_over:
                time.sleep(POLL_S)
