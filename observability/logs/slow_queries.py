"""Log slow queries; log all queries while the level of the logger is DEBUG."""

import logging

from observability.conf import configuration
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.recorders.call_stack import find_source_line

SLOW_QUERY = "slow_query"
QUERY = "query"


class SlowQueryReader:
    """Log each slow query with the logger `observability.sql`: the SQL with placeholders, never its values."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("observability.sql")

    def step(self, observation: Observation, step: Step) -> None:
        if step.kind != "query":
            return
        is_slow = step.duration_ms >= configuration().slow_query_ms
        level, event = (logging.WARNING, SLOW_QUERY) if is_slow else (logging.DEBUG, QUERY)
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"observation": observation, "facts": _facts_with_source_line(step)})


def query_facts(step: Step) -> dict[str, object]:
    """Return the log keys of a query."""
    return {
        "duration_ms": round(step.duration_ms, 3),
        "db.namespace": step.source,
        "db.query.text": step.text,
    }


def _facts_with_source_line(step: Step) -> dict[str, object]:
    facts = query_facts(step)
    site = find_source_line()
    if site is not None:
        facts |= {"code.file.path": site.path, "code.line.number": site.line, "code.function.name": site.function}
    return facts
