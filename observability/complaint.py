"""What the observability layer has to say of itself: a line on stderr, at most one a second. Standard library only."""

import contextlib
import sys
import time


class Complaint:
    """Lines on stderr about one subject. Nothing here raises: stderr may be closed, full or absent."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._told_at = float("-inf")

    def tell(self, text: str, *, always: bool = False) -> None:
        """Write the line, unless one was written within the last second; `always` writes it all the same."""
        now = time.monotonic()
        if (always or now - self._told_at >= 1) and sys.stderr is not None:
            self._told_at = now
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{self.subject} {text}.\n")
                sys.stderr.flush()


def shown(error: BaseException) -> str:
    """The exception as a developer reads it, or its type where it cannot be shown."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - it is told while another failure is handled
        return type(error).__qualname__
