"""The handler of log lines on stdout."""

import logging
import sys
from typing import TextIO

from observability.recorders.commands import owns_stdout


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to stdout; in a process of a management command that is no server, to stderr.

    There stdout is the command's own: a line in it would be a line in the file of `manage.py dumpdata > file`. All that
    the command logs is kept out, whoever logs it. Engines of containers collect both streams.
    """

    def __init__(self) -> None:
        super().__init__(sys.stderr if owns_stdout(sys.argv) else sys.stdout)
