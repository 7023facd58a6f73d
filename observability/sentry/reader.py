"""The reader that reports what ended a unit of work and left no record: a body, a command, an observed block."""

import sys

from observability.core.observation import Observation
from observability.sentry.reporting import report_exception


class Failures:
    """Reports the exception that ended a request, a command or an outermost block of work; before the access line.

    A block within other work that catches its failure has not failed the whole: there its line alone tells of it.
    """

    def closed(self, observation: Observation) -> None:
        if not observation.failed:
            return
        error, parent = sys.exception(), observation.parent
        if error is not None and (parent is None or parent.is_closed):
            report_exception(error, observation)
