"""Deleting the oldest files of logs: by their age, and by what all of them may take."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from observability.log_analysis.segments import Segment, identity_of, is_deleted
from observability.log_analysis.snapshot import Log
from observability.logs import rotation

# How often the lock of a log is asked for that a process holds which moves its files; between two moves, that of a busy
# one is free for a moment only.
ATTEMPTS = 1_000
PAUSE_S = 0.001


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
    """The files that go, in the order in which to delete them; of each log the oldest ones, so that it has no gap."""
    found: list[Doomed] = []
    left = [(log, [segment for segment in log.segments if segment.name.mark]) for log in logs]
    total = sum(segment.size for log in logs for segment in log.segments)
    while oldest := min(filter(_rotated, left), key=lambda each: each[1][0].modified, default=None):
        log, rotated = oldest
        if keep is not None and now.timestamp() - rotated[0].modified > keep.total_seconds():
            reason = "age"
        elif max_bytes is not None and total > max_bytes:
            reason = "size"
        else:
            break
        total -= rotated[0].size
        found.append(Doomed(log, rotated.pop(0), reason))
    return found


def _rotated(each: tuple[Log, list[Segment]]) -> bool:
    return bool(each[1])


def delete(each: Doomed) -> bool:
    """Delete a file, whatever its name became meanwhile; False where it is gone already.

    Processes that move the files of this log wait for nobody, and leave them alone meanwhile. Raises OSError where it
    may not be deleted, and where the log is locked for a second.
    """
    for _ in range(ATTEMPTS):
        if is_deleted(each.segment.descriptor):
            return False
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
    for path in each.log.path.parent.iterdir():
        if path.name.startswith(each.log.path.name) and path.name != each.log.path.name:
            with suppress(FileNotFoundError):
                found = path.stat()
                if identity_of(found) == identity_of(status):
                    return path
    return None
