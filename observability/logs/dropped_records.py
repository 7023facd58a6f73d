"""Records that a handler could not write: counted, and told on stderr at most once a second."""

import logging

from observability.core.diagnostics import Diagnostics

RECORDS_LOST = "log_records_lost"


class Losses:
    """The records lost since the last one that was written; `target` is what could not be written, for the message.

    Made with its handler, which calls it with the handler's lock held.
    """

    def __init__(self, target: str) -> None:
        self.count = 0
        self._diagnostics = Diagnostics(f"logging: {target}")
        self._settlement = Diagnostics(f"logging: {target}")

    def add(self, reason: object, count: int = 1) -> None:
        """Count records that were lost for this reason."""
        self.count += count
        self._diagnostics.write(f"cannot be written: {reason}; {_records(self.count)} lost so far")

    def complain(self, text: str) -> None:
        """Tell what is wrong with the target, though nothing is lost."""
        self._diagnostics.write(text)

    def settle(self) -> int:
        """How many were lost; from here on none. It is told once a second too: what works may fail again at once."""
        count, self.count = self.count, 0
        if count:
            self._settlement.write(f"is written again; {_records(count)} lost")
        return count

    def give_up(self) -> None:
        """Tell what was lost for good: no record will follow that could."""
        if self.count:
            self._diagnostics.write(f"was closed; {_records(self.count)} lost", always=True)
            self.count = 0


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"


def lost_record(count: int, **facts: object) -> logging.LogRecord:
    """The record that tells readers of the log how many records are not in it."""
    return logging.makeLogRecord({
        "name": "observability.logs", "levelno": logging.WARNING, "levelname": "WARNING", "msg": RECORDS_LOST,
        "facts": {"lost_count": count, **facts},
    })  # fmt: skip
