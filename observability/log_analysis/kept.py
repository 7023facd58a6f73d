"""For how long rotation keeps the lines of a log, at the rate at which they come."""

from datetime import datetime, timedelta
from pathlib import Path

from observability.log_analysis.lines import parsed
from observability.log_analysis.names import Name, listing
from observability.log_analysis.times import time_of

# As long as a line may be.
FIRST_LINE_BYTES = 65_536


def kept_time(path: Path, *, max_bytes: int, backup_count: int, now: datetime) -> timedelta | None:
    """How old the oldest line of the log at `path` becomes before it is deleted; None where that is not known yet.

    It is known once a file was moved away. While there are fewer than `backup_count` of these it follows from the bytes
    that came since the first line.
    """
    names = [name for name in listing(path) if not name.compression]
    rotated = [name for name in names if name.mark]
    first = _first_time(rotated[-1]) if rotated else None
    if first is None or now <= first:
        return None
    if len(rotated) >= backup_count:
        return now - first
    written = sum(_size(name) for name in names)
    return (now - first) * (max_bytes * (backup_count + 1) / written) if written else None


def _first_time(name: Name) -> datetime | None:
    try:
        with name.path.open("rb") as file:
            record = parsed(file.readline(FIRST_LINE_BYTES))
    except OSError:
        return None
    return time_of(record["timestamp"]) if record else None


def _size(name: Name) -> int:
    try:
        return name.path.stat().st_size
    except OSError:
        return 0
