"""Deleting the oldest files of logs: by their age, and by what all of them may take."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from observability.logs import rotation
from observability.logs.reading.segments import Log, Segment

# How often the lock of a log is asked for that a process holds which moves its files.
ATTEMPTS = 50
PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Doomed:
    """A file to delete: a rotated one, never the one that is written."""

    log: Log
    segment: Segment
    reason: str

    @property
    def until(self) -> datetime:
        """When its last line was written."""
        return datetime.fromtimestamp(self.segment.modified, UTC)


def doomed(logs: Sequence[Log], *, keep: timedelta | None, max_bytes: int | None, now: datetime) -> list[Doomed]:
    """The files that go, oldest first; of each log the oldest ones, so that no gap is left in it."""
    found: list[Doomed] = []
    left: list[tuple[Log, list[Segment]]] = []
    total = sum(segment.size for log in logs for segment in log.segments)
    for log in logs:
        rotated = [segment for segment in log.segments if segment.name.mark]
        while keep is not None and rotated and datetime.fromtimestamp(rotated[0].modified, UTC) < now - keep:
            total -= rotated[0].size
            found.append(Doomed(log, rotated.pop(0), "age"))
        left.append((log, rotated))
    while max_bytes is not None and total > max_bytes:
        candidates = [(rotated[0].modified, place) for place, (_, rotated) in enumerate(left) if rotated]
        if not candidates:
            break
        log, rotated = left[min(candidates)[1]]
        total -= rotated[0].size
        found.append(Doomed(log, rotated.pop(0), "size"))
    return sorted(found, key=lambda each: each.segment.modified)


def delete(each: Doomed) -> bool:
    """Delete a file, whatever its name became meanwhile; False where it is gone already.

    Processes that move the files of this log wait for nobody, and leave them alone meanwhile. Raises OSError where it
    may not be deleted, and where the log is locked for a second.
    """
    for _ in range(ATTEMPTS):
        with rotation.sole(str(each.log.path)) as lock:
            if lock is None:
                time.sleep(PAUSE_S)
                continue
            path = _name_now(each)
            if path is not None:
                path.unlink()
            return path is not None
    raise TimeoutError("its log is locked by another process")


def _name_now(each: Doomed) -> Path | None:
    status = os.fstat(each.segment.descriptor)
    with suppress(OSError):
        for path in each.log.path.parent.iterdir():
            if path.name.startswith(each.log.path.name) and path.name != each.log.path.name:
                with suppress(FileNotFoundError):
                    found = path.stat()
                    if (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino):
                        return path
    return None
