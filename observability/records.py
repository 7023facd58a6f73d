"""The recorder of log records, and what a record says: its observation, and the keys that its caller gave."""

import logging
from typing import Any

from observability.observation import Observation, Step, current

# Attributes that are no facts: objects by which a record finds its observation, and the facts themselves.
_reserved = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime", "color_message", "facts", "message", "observation", "request", "server_time", "taskName"
}  # fmt: skip


def observation_of(record: logging.LogRecord) -> Observation | None:
    """The observation that a record belongs to, or None.

    Django logs a response of 4xx and 5xx after the middleware returned, with the request; a server logs an exception
    of a streaming body after the request; a reader logs a closed observation.
    """
    named = getattr(record, "observation", None)
    if isinstance(named, Observation):
        return named
    requested = getattr(getattr(record, "request", None), "observation", None)
    if isinstance(requested, Observation):
        return requested
    here = current()
    if here is None and record.exc_info and record.exc_info[1] is not None:
        raised = getattr(record.exc_info[1], "observation", None)
        return raised if isinstance(raised, Observation) else None
    return here


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """The keys of the caller: those of structlog, or of `extra=` in the standard library."""
    given = {key: value for key, value in record.__dict__.items() if key not in _reserved}
    facts = record.__dict__.get("facts")
    return given | facts if isinstance(facts, dict) else given


class ObservationHandler(logging.Handler):
    """Records each log record as a step of its observation, where it has one that is open; nothing is formatted."""

    def emit(self, record: logging.LogRecord) -> None:
        observation = observation_of(record)
        if observation is not None and not observation.is_closed:
            try:
                text = str(record.msg)
            except Exception:  # noqa: BLE001 - a message that cannot be made must not break the work
                text = f"<{type(record.msg).__qualname__} without a text>"
            observation.record(Step("line", text, record.name))
