"""Records that a handler could not write: counted, and told on stderr at most once a second."""

import contextlib
import sys
import time


class Losses:
    """The records lost since the last one that was written; `target` is what could not be written, for the message.

    Made with its handler, which calls it with the handler's lock held. Nothing here raises: stderr may be closed.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.count = 0
        self._told_at = -1.0

    def add(self, reason: object, count: int = 1) -> None:
        """Count records that were lost for this reason."""
        self.count += count
        self.complain(f"cannot be written: {reason}; {_records(self.count)} lost so far")

    def complain(self, text: str) -> None:
        """Tell what is wrong with the target, unless something was told within the last second."""
        now = time.monotonic()
        if now - self._told_at >= 1:
            self._told_at = now
            self._tell(text)

    def settle(self) -> int:
        """How many were lost; from here on none."""
        count, self.count = self.count, 0
        if count:
            self._told_at = -1.0
            self._tell(f"is written again; {_records(count)} lost")
        return count

    def give_up(self) -> None:
        """Tell what was lost for good: no record will follow that could."""
        if self.count:
            self._tell(f"was closed; {_records(self.count)} lost")
            self.count = 0

    def _tell(self, text: str) -> None:
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"logging: {self.target} {text}.\n")
                sys.stderr.flush()


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"
