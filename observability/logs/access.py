"""The reader that writes one line for each unit of work at its end."""

import logging
import sys
from typing import Any

from observability.http_exchange import HttpExchange
from observability.logs.pipeline import log_event
from observability.observation import Observation
from observability.quiet_paths import QuietPaths


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
            "work": logging.getLogger("observability.work"),
        }
        # Readers are made again when the setting changes.
        self._quiet_paths = QuietPaths()

    def closed(self, observation: Observation) -> None:
        http = observation.http
        level = _level(observation, http)
        if http is not None and level < logging.WARNING and http.path in self._quiet_paths:
            return
        facts = _http_facts(observation, http) if http is not None else _work_facts(observation)
        if observation.over_budget:
            facts |= _budget_facts(observation)
        if observation.error_type:
            facts["error.type"] = observation.error_type
        if observation.facts:
            # What `note()` added is in every line of the work; here is what would overwrite a key of this one.
            facts |= {f"note.{key}": value for key, value in observation.facts.items() if key in facts}
        if observation.event_id:
            facts["sentry.event_id"] = observation.event_id
        if observation.dropped_fact_count:
            facts["dropped_fact_count"] = observation.dropped_fact_count
        # The exception of a request has its record from Django or the server; that of other work has none yet.
        is_unreported = observation.failed and http is None and observation.parent is None and sys.exception()
        exc_info = sys.exc_info() if is_unreported else None
        log_event(self._loggers[observation.kind], level, observation.kind, facts, observation, exc_info)


def _http_facts(observation: Observation, http: HttpExchange) -> dict[str, Any]:
    return {
        "http.request.method": http.method,
        "http.route": http.route,
        "url.path": http.path,
        "http.response.status_code": http.status_code,
        "duration_ms": round(observation.duration_ms, 3),
        "db.query_count": observation.query_count,
        "db.duration_ms": round(observation.query_duration_ms, 3),
        "db.repeated_count": observation.repeated_count,
        "db.transaction": observation.transaction,
        "outgoing.count": observation.outgoing_count,
        "outgoing.duration_ms": round(observation.outgoing_duration_ms, 3),
        "client.address": http.client_address,
        "user_agent.original": http.user_agent,
        "user.id": http.user_id,
        "http.response.body.size": http.response_body_size,
    }


def _work_facts(observation: Observation) -> dict[str, Any]:
    return {
        f"{observation.kind}.name": observation.name,
        "duration_ms": round(observation.duration_ms, 3),
        "db.query_count": observation.query_count,
        "db.duration_ms": round(observation.query_duration_ms, 3),
        "db.repeated_count": observation.repeated_count,
        "db.transaction": observation.transaction,
        "outgoing.count": observation.outgoing_count,
        "outgoing.duration_ms": round(observation.outgoing_duration_ms, 3),
    }


def _budget_facts(observation: Observation) -> dict[str, Any]:
    """Of a request that ran more queries than its route may; the framework's are not among those that it may."""
    return {
        "db.query_budget": observation.query_budget,
        "db.over_budget": True,
        "db.framework_query_count": observation.framework_query_count,
    }


def _level(observation: Observation, http: HttpExchange | None) -> int:
    if observation.failed:
        return logging.ERROR
    status = (http.status_code or 0) if http is not None else 0
    if status >= 500:  # noqa: PLR2004
        return logging.ERROR
    is_notable = observation.error_type or status >= 400 or observation.over_budget  # noqa: PLR2004
    return logging.WARNING if is_notable else logging.INFO
