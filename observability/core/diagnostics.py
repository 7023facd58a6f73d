"""Rate-limited stderr diagnostics about the observability layer's own failures."""

import contextlib
import sys
import time

from observability.text import escape_controls

MIN_INTERVAL_S = 1


class Diagnostics:
    """Write lines about one subject to stderr, at most one per second.

    It never raises: stderr may be closed, full or None.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._written_at = float("-inf")

    def write(self, text: str, *, always: bool = False) -> None:
        """Write a line, unless this object wrote one less than a second ago. `always` ignores this limit."""
        now = time.monotonic()
        if (always or now - self._written_at >= MIN_INTERVAL_S) and sys.stderr is not None:
            self._written_at = now
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(escape_controls(f"{self.subject} {text.removesuffix('.')}.") + "\n")
                sys.stderr.flush()
