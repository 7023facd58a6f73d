"""Following a log while it is written, moved away by rotation, truncated or made anew."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from observability.logs.reading.lines import BLOCK_BYTES, MAX_LINE_BYTES, Record, lines, lines_backwards
from observability.logs.reading.segments import Identity, Log, listing

BATCH = 2_000
POLL_S = 0.2
# How long a file is looked at after it was moved away: another process may write one more line to it.
GRACE_S = 3.0


def newest(logs: Sequence[Log], wanted: Callable[[list[bytes]], list[Record]], count: int) -> list[Record]:
    """The last `count` records that are wanted of all these logs, by time."""
    found: list[Record] = []
    for log in logs:
        of_log: list[Record] = []
        backwards = (line for segment in reversed(log.segments) for line in lines_backwards(segment))
        # Most often the first few lines are enough.
        size = max(count, 1)
        while len(of_log) < count and (batch := list(islice(backwards, size))):
            of_log += wanted(batch)
            size = BATCH
        found += of_log[:count]
    found.sort(key=lambda record: str(record["timestamp"]))
    return found[-count:] if count else []


def all_lines(logs: Sequence[Log]) -> Iterator[bytes]:
    """All lines, log by log, each from its oldest."""
    for log in logs:
        for segment in log.segments:
            yield from lines(segment)


@dataclass(slots=True)
class _Followed:
    """A file that is read as it grows. `left_at`: when it was found at another name; `rest`: a line without its end."""

    descriptor: int
    position: int
    rest: bytearray = field(default_factory=bytearray)
    left_at: float | None = None


class Tail:
    """Reads what is added to one log, through rotation. Used by one thread; `close` ends it.

    Nothing is lost to a rename, however many happen between two looks, while the files are there; of one that was
    deleted before it was looked at nothing is known. A file that shrank was emptied, and is read from its beginning.
    """

    def __init__(self, log: Log) -> None:
        """Go on where the segments of the log end."""
        self.path = log.path
        self._files: dict[Identity, _Followed] = {}
        # What is older than where we began, and what was read to its end.
        self._done: set[Identity] = set()
        for segment in log.segments:
            status = os.fstat(segment.descriptor)
            identity = (status.st_dev, status.st_ino)
            if segment is log.segments[-1] and not segment.compression:
                self._files[identity] = _Followed(os.dup(segment.descriptor), segment.size)
            else:
                self._done.add(identity)
        self._began = time.time()

    def added(self) -> Iterator[bytes]:
        """The lines since the last look, oldest file first."""
        self._look()
        for identity, followed in list(self._files.items()):
            yield from self._read(followed)
            if followed.left_at is not None and time.monotonic() - followed.left_at > GRACE_S:
                if followed.rest:
                    yield bytes(followed.rest)
                os.close(followed.descriptor)
                del self._files[identity]
                self._done.add(identity)

    def close(self) -> None:
        for followed in self._files.values():
            os.close(followed.descriptor)
        self._files.clear()

    def _look(self) -> None:
        """Open the files that are new, and see which were moved away."""
        current: Identity | None = None
        found: dict[Identity, _Followed] = {}
        for name in listing(self.path):
            if name.compression:
                continue
            try:
                status = name.path.stat()
                identity = (status.st_dev, status.st_ino)
                if not name.mark:
                    current = identity
                if identity in self._files or identity in self._done or identity in found:
                    continue
                if name.mark and status.st_mtime < self._began:
                    self._done.add(identity)
                    continue
                found[identity] = _Followed(os.open(name.path, os.O_RDONLY), 0)
            except OSError:
                continue
        # Newest first as listed; the older one is read first.
        self._files |= dict(reversed(found.items()))
        now = time.monotonic()
        for identity, followed in self._files.items():
            if identity == current:
                followed.left_at = None
            elif followed.left_at is None:
                followed.left_at = now

    @staticmethod
    def _read(followed: _Followed) -> Iterator[bytes]:
        if os.fstat(followed.descriptor).st_size < followed.position:
            followed.position = 0
            followed.rest.clear()
        while block := os.pread(followed.descriptor, BLOCK_BYTES, followed.position):
            followed.position += len(block)
            followed.rest += block
            end = followed.rest.rfind(b"\n") + 1
            if end or len(followed.rest) > MAX_LINE_BYTES:
                whole = bytes(followed.rest[: end or None])
                del followed.rest[: end or None]
                yield from filter(None, whole.split(b"\n"))


def added(logs: Iterable[Log], until: datetime | None = None) -> Iterator[list[bytes]]:
    """What is added to these logs, a list after each look, also an empty one; it ends at `until`."""
    with ExitStack() as stack:
        tails = [Tail(log) for log in logs]
        for tail in tails:
            stack.callback(tail.close)
        while until is None or datetime.now(UTC) < until:
            yield [line for tail in tails for line in tail.added()]
            time.sleep(POLL_S)
