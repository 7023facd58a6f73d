"""The handler of the log files."""

import logging
import os
from logging.handlers import RotatingFileHandler
from pathlib import Path


class SharedRotatingFileHandler(RotatingFileHandler):
    """A RotatingFileHandler for several processes that write one file: each follows a rotation that another one made.

    The standard library's goes on writing into the file that was renamed or deleted. Two processes that rotate in the
    same instant can still lose the lines of one backup.
    """

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the standard library's name
        """Whether the file is full; before that, open it again if it is not the one at its path any more."""
        if self.stream and not self._is_current(self.stream.fileno()):
            self.stream.close()
            # The base class opens it again, as with `delay`.
            self.stream = None
        return bool(super().shouldRollover(record))

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(Path(self.baseFilename).stat(), os.fstat(descriptor))
        except OSError:
            return False
