"""The reader that writes one line for each unit of work at its end."""

import logging
import sys

from observability.conf import QuietPaths
from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import to_log_keys
from observability.core.observation import Observation
from observability.logs.pipeline import log_event


class AccessLine:
    """The access line of a request (logger `observability.access`), or the line of a command or a block of work.

    The keys are those of OpenTelemetry's semantic conventions where it has a name; what `note()` added comes last and
    overwrites none of them (it is kept as `note.<key>`). Requests of QUIET_PATHS are left out while they succeed.
    """

    def __init__(self) -> None:
        # The event is the kind of work.
        self._loggers = {
            "request": logging.getLogger("observability.access"),
            "command": logging.getLogger("observability.command"),
            "span": logging.getLogger("observability.span"),
        }
        # Readers are made again when the setting changes.
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
            # What `note()` added is in every line of the work; here is what would overwrite a key of this one.
            facts |= {f"note.{key}": value for key, value in observation.facts.items() if key in facts}
        if observation.dropped_fact_count:
            facts["dropped_fact_count"] = observation.dropped_fact_count
        # The exception of a request has its record from Django or the server; that of other work has none yet.
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
