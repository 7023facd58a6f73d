"""`logs prune`: delete the oldest rotated files of logs, by age and by total size."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from observability.files import try_lock_file
from observability.log_analysis import LogAnalysisError
from observability.log_analysis.formatting import format_size
from observability.log_analysis.log_files import Log, LogFile
from observability.log_analysis.options import Options
from observability.log_analysis.snapshot import file_identity, is_deleted
from observability.log_analysis.terminal import Output
from observability.text import format_count

# The number of attempts to lock a log while other processes rotate it. Under constant rotation the lock is rarely free.
LOCK_ATTEMPTS = 1_000
LOCK_PAUSE_S = 0.001


def prune(options: Options, output: Output) -> None:
    """Delete the oldest rotated files by age and total size, and print their names."""
    if options.keep is None and options.max_bytes is None:
        raise LogAnalysisError("`logs prune` requires a limit: --keep 30d, --max-size 5GB, or both.")
    # After a failure the newer files of the same log are kept, so that the log has no gap.
    failed: set[Path] = set()
    with options.open_logs(output) as logs:
        total = sum(file.size for log in logs for file in log.files)
        files = find_prunable(logs, keep=options.keep, max_bytes=options.max_bytes, now=datetime.now(UTC))
        for prunable in files:
            if prunable.log.path in failed:
                continue
            file = prunable.file
            text = f"{file.path} ({format_size(file.size)}, last line at {prunable.last_written:%Y-%m-%d %H:%M} UTC)"
            try:
                is_gone = options.dry_run or delete_file(prunable)
            except OSError as error:
                failed.add(prunable.log.path)
                output.warn(f"{text} was not deleted: {error.strerror or error}.")
                continue
            if is_gone:
                total -= file.size
                output.write(f"{'would delete' if options.dry_run else 'deleted'} {text}")
        verb = "would be" if options.dry_run else "are"
        output.write(f"{format_size(total)} {verb} kept in {format_count(len(logs), 'log')}.")
    if failed:
        raise LogAnalysisError("Some files could not be deleted. The messages above give the reasons.")


@dataclass(frozen=True, slots=True)
class PrunableFile:
    """A rotated file to delete, and the reason: `age` or `size`."""

    log: Log
    file: LogFile
    reason: str

    @property
    def last_written(self) -> datetime:
        """The time of the last write, in UTC."""
        return datetime.fromtimestamp(self.file.modified, UTC)


def find_prunable(
    logs: Sequence[Log], *, keep: timedelta | None, max_bytes: int | None, now: datetime
) -> list[PrunableFile]:
    """Return the files to delete, in this order. They are always the oldest ones of a log, so that it has no gap."""
    prunable: list[PrunableFile] = []
    remaining = [(log, [file for file in log.files if file.name.rotation]) for log in logs]
    total = sum(file.size for log in logs for file in log.files)
    while rotated_logs := [(log, files) for log, files in remaining if files]:
        log, files = min(rotated_logs, key=lambda each: each[1][0].modified)
        if keep is not None and now.timestamp() - files[0].modified > keep.total_seconds():
            reason = "age"
        elif max_bytes is not None and total > max_bytes:
            reason = "size"
        else:
            break
        total -= files[0].size
        prunable.append(PrunableFile(log, files.pop(0), reason))
    return prunable


def delete_file(prunable: PrunableFile) -> bool:
    """Delete a file, even if it has been renamed. Return False if it was deleted already.

    The lock prevents other processes from rotating the log meanwhile; they do not wait for the lock. Raises OSError if
    the file cannot be deleted, and TimeoutError if another process holds the lock for a second.
    """
    for _ in range(LOCK_ATTEMPTS):
        if is_deleted(prunable.file.descriptor):
            return False
        with try_lock_file(prunable.log.path) as lock:
            if lock is None:
                time.sleep(LOCK_PAUSE_S)
                continue
            path = _present_path(prunable)
            if path is not None:
                path.unlink()
            return path is not None
    raise TimeoutError("another process holds the lock of its log; try again")


def _present_path(prunable: PrunableFile) -> Path | None:
    """Return the present path of the file; None if it is not found."""
    identity = file_identity(os.fstat(prunable.file.descriptor))
    current = prunable.log.path
    for path in current.parent.iterdir():
        if path.name.startswith(current.name) and path.name != current.name:
            with suppress(FileNotFoundError):
                if file_identity(path.stat()) == identity:
                    return path
    return None
