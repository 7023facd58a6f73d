"""Count the log records that a handler could not write, and report them on stderr and in the log."""

import logging

from observability.core.diagnostics import Diagnostics
from observability.text import format_count

LOG_RECORDS_DROPPED = "log_records_dropped"


class DroppedRecords:
    """The number of records that were dropped since the last one that was written.

    `target` names in the messages what could not be written. Each handler creates one, and calls it under a lock.
    """

    def __init__(self, target: str) -> None:
        self.count = 0
        self._failures = Diagnostics(f"logging: {target}")
        self._recoveries = Diagnostics(f"logging: {target}")

    def add(self, reason: object, count: int = 1) -> None:
        """Count records that were dropped for this reason."""
        self.count += count
        self._failures.write(f"cannot be written: {reason}; {format_count(self.count, 'record')} dropped so far")

    def warn(self, text: str) -> None:
        """Report a problem that has dropped no record yet."""
        self._failures.write(text)

    def take_count(self) -> int:
        """Return the number of dropped records and start again from 0.

        The recovery is reported at most once per second too: the next record may fail again.
        """
        count, self.count = self.count, 0
        if count:
            self._recoveries.write(f"is written again; {format_count(count, 'record')} dropped")
        return count

    def close(self) -> None:
        """Report what was dropped and will not be reported by a later record."""
        if self.count:
            self._failures.write(f"was closed; {format_count(self.count, 'record')} dropped", always=True)
            self.count = 0


def dropped_count_record(count: int, **facts: object) -> logging.LogRecord:
    """Return the log record which says how many records are missing from the log."""
    return logging.makeLogRecord({
        "name": "observability.logs", "levelno": logging.WARNING, "levelname": "WARNING", "msg": LOG_RECORDS_DROPPED,
        "facts": {"dropped_count": count, **facts},
    })  # fmt: skip
