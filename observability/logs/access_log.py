"""The access log: one line per request, command and span, written when it ends."""

import logging
import sys

from observability.conf import QuietPaths
from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import to_log_keys
from observability.core.observation import Observation
from observability.logs.structlog_pipeline import log_event


class AccessLogReader:
    """Log one line when a request (logger `observability.access`), a command or a span ends.

    If OpenTelemetry's semantic conventions have a name for a key, the key has that name. Facts of `note()` come last.
    If a fact has the name of a key of the line, it becomes `note.<key>`. Successful requests of QUIET_PATHS are not
    logged.
    """

    def __init__(self) -> None:
        # The kind of the observation is also the event.
        self._loggers = {
            "request": logging.getLogger("observability.access"),
            "command": logging.getLogger("observability.command"),
            "span": logging.getLogger("observability.span"),
        }
        # Readers are created again when the setting changes.
        self._quiet_paths = QuietPaths()

    def closed(self, observation: Observation) -> None:
        http = observation.http
        facts = to_log_keys(observation)
        level = _level(observation, http, is_over_budget=bool(facts.get("db.over_budget")))
        if http is not None and level < logging.WARNING and http.path in self._quiet_paths:
            return
        if observation.error_type:
            facts["error.type"] = observation.error_type
        if observation.facts:
            # Each record of the observation gets the facts of `note()` later. Only colliding facts are added here.
            facts |= {f"note.{key}": value for key, value in observation.facts.items() if key in facts}
        if observation.dropped_fact_count:
            facts["dropped_fact_count"] = observation.dropped_fact_count
        # Django or the server logs the exception of a request. The exception of a command or span is logged here.
        is_unreported = observation.failed and http is None and observation.parent is None and sys.exception()
        exc_info = sys.exc_info() if is_unreported else None
        log_event(self._loggers[observation.kind], level, observation.kind, facts, observation, exc_info)


def _level(observation: Observation, http: HttpAttributes | None, *, is_over_budget: bool) -> int:
    if observation.failed:
        return logging.ERROR
    status = (http.status_code or 0) if http is not None else 0
    if status >= 500:  # noqa: PLR2004
        return logging.ERROR
    is_notable = observation.error_type or status >= 400 or is_over_budget  # noqa: PLR2004
    return logging.WARNING if is_notable else logging.INFO
