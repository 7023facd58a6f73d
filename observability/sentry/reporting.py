"""Report each failure to Sentry once.

A failure is an exception with its causes and contexts, or an error that was logged while no exception was handled. Most
failures are reported by their log record (`SentryHandler`). An exception that ends a unit of work without a log record
is reported when the observation is closed (`FailureReader`). Exceptions get a mark when they are reported.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from observability.core.context import current
from observability.core.diagnostics import Diagnostics
from observability.core.observation import Observation
from observability.recorders.log_records import LocklessHandler, find_exception, find_observation
from observability.text import safe_repr, safe_str

SERVER_ERROR = 500
# The loggers of these packages log exceptions that the application did not handle.
FRAMEWORKS = frozenset({"django", "gunicorn", "uvicorn", "asyncio"})
MAX_CHAIN = 1_000
# How long an exception counts as reported if the unit of work is not known.
MARK_LIFE_S = 60.0
# One exception object can be raised by many requests at the same time.
MAX_MARKS = 16
_marks = "_sentry_marks"
# Read the attributes of an exception without the methods of its class, which may override attribute access.
_attributes_of: Callable[[BaseException], dict[str, Any]] = BaseException.__dict__["__dict__"].__get__
_diagnostics = Diagnostics("sentry:")


class ReportedEvent(NamedTuple):
    """The Sentry event that reported a failure of an observation, in the extensions of the observation."""

    event_id: str
    is_logged: bool = True

    def to_measurements(self) -> dict[str, object]:
        return {"sentry.event_id": self.event_id}

    @classmethod
    def find_id(cls, observation: Observation) -> str | None:
        event: ReportedEvent | None = observation.extensions.get(cls)
        return event.event_id if event is not None else None


class SentryHandler(LocklessHandler):
    """Report each logged failure to Sentry once. No-op if the SDK is not initialized."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            report_record(record)
        except Exception as error:  # noqa: BLE001 - a report must not break the work
            _diagnostics.write(f"a failure could not be reported to Sentry: {safe_repr(error)}")


class FailureReader:
    """Report the exception that ended a request, a command or an outermost span, before its log line is written.

    An inner span is not reported: the outer work may handle the exception. Then only the log line of the span has it.
    """

    def closed(self, observation: Observation) -> None:
        if not observation.failed:
            return
        error, parent = sys.exception(), observation.parent
        if error is not None and (parent is None or parent.is_closed):
            report_exception(error, observation)


def report_record(record: logging.LogRecord) -> None:
    """Report the failure of a log record, unless it was already reported or the client caused it (4xx)."""
    # In an `except` block, an error is about the handled exception, even if `exc_info` was not passed.
    error = find_exception(record)
    if error is None:
        error = sys.exception()
    if not _is_failure(record, error):
        return
    event: Event = {"logger": record.name, "level": _level(record)}
    is_handled = record.name.partition(".")[0] not in FRAMEWORKS
    if is_handled or error is None:
        event["logentry"] = _log_entry(record)
    _capture(event, {"log_record": record}, error, find_observation(record), is_handled=is_handled)


def report_exception(error: BaseException, observation: Observation | None) -> None:
    """Report an exception that ended a unit of work, unless it was already reported."""
    if not is_reported(error, observation):
        _capture({"level": "error"}, {}, error, observation, is_handled=False)


def is_response_record(record: logging.LogRecord) -> bool:
    """Return whether this is Django's log record of a 4xx or 5xx response, without an exception."""
    return _status_code(record) is not None and find_exception(record) is None


def is_reported(error: BaseException, observation: Observation | None) -> bool:
    """Return whether an event of this unit of work already reported the failure of this exception.

    If the same exception object is raised in another unit of work, it is another failure. An exception group counts as
    reported only if all its members are reported: each member may be the failure of another task.
    """
    work = _work_id(observation)
    chain = list(walk_chain(error))
    reported = {id(each) for each in chain if any(_is_of_work(mark, work) for mark in _marks_of(each))}
    known_count = 0
    while known_count < len(reported):
        known_count = len(reported)
        for each in reversed(chain):
            if _is_caused_by_reported(each, reported):
                reported.add(id(each))
    return id(error) in reported


def mark_reported(error: BaseException, observation: Observation | None) -> None:
    """Mark the exception and its chain as reported by an event of this unit of work.

    The marks are on the exception objects, because an exception can be logged in one thread and raised in another.
    """
    mark = (_work_id(observation), time.monotonic())
    for each in walk_chain(error):
        _attributes_of(each)[_marks] = (*_marks_of(each)[1 - MAX_MARKS :], mark)


def walk_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception, its causes, contexts and group members; at most 1,000 exceptions."""
    found = [error]
    known = {id(error)}
    for each in found:
        yield each
        for origin in (*_origins(each), *_members(each)):
            if id(origin) not in known and len(found) < MAX_CHAIN:
                known.add(id(origin))
                found.append(origin)


def _is_failure(record: logging.LogRecord, error: BaseException | None) -> bool:
    status_code = _status_code(record)
    if status_code is not None and status_code < SERVER_ERROR:
        return False
    observation = find_observation(record)
    if error is not None:
        return not is_reported(error, observation)
    # The log record of a 500 response is not another failure if its failure is already reported.
    has_event = observation is not None and ReportedEvent.find_id(observation) is not None
    return not (has_event and is_response_record(record))


def _status_code(record: logging.LogRecord) -> int | None:
    """Return the status of Django's response, or None. Other loggers may log the status of another service."""
    status_code = getattr(record, "status_code", None)
    return status_code if record.name.startswith("django.") and isinstance(status_code, int) else None


def _capture(
    event: Event, hint: Hint, error: BaseException | None, observation: Observation | None, *, is_handled: bool
) -> None:
    client = sentry_sdk.get_client()
    if not client.is_active():
        return
    if error is not None:
        mechanism = {"type": "logging" if "log_record" in hint else "observation", "handled": is_handled}
        event = _exception_event(error, client.options, mechanism) | event
        hint["exc_info"] = (type(error), error, error.__traceback__)
    hint["observation"] = observation or current()
    sentry_sdk.capture_event(event, hint)


def _exception_event(error: BaseException, options: dict[str, Any], mechanism: dict[str, Any]) -> Event:
    """Return an event with the exception and its chain; if reading the exception raises, with only its type."""
    try:
        return event_from_exception(error, client_options=options, mechanism=mechanism)[0]
    except Exception:  # noqa: BLE001 - an exception that cannot be described must not be lost
        bare = {"type": type(error).__qualname__, "module": type(error).__module__, "mechanism": mechanism}
        return {"level": "error", "exception": {"values": [bare]}}


def _log_entry(record: logging.LogRecord) -> dict[str, object]:
    """Return the unformatted message, which is the title of the issue, and the formatted message."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a message that cannot be formatted must not lose the failure
        message = safe_str(record.msg)
    return {"message": safe_str(record.msg), "formatted": message}


def _level(record: logging.LogRecord) -> Literal["fatal", "error", "warning"]:
    if record.levelno >= logging.CRITICAL:
        return "fatal"
    return "error" if record.levelno >= logging.ERROR else "warning"


def _marks_of(error: BaseException) -> tuple[tuple[str | None, float], ...]:
    marks: tuple[tuple[str | None, float], ...] = _attributes_of(error).get(_marks, ())
    return marks


def _work_id(observation: Observation | None) -> str | None:
    return None if observation is None else observation.root.span_id


def _is_of_work(mark: tuple[str | None, float], work: str | None) -> bool:
    """Return whether a mark is of this unit of work. If one of the two is not known, return whether it is recent."""
    marked_work, marked_at = mark
    if work is not None and marked_work is not None:
        return work == marked_work
    # It is not known in a thread without the context, or if a server logs an exception after the request.
    return 0 <= time.monotonic() - marked_at < MARK_LIFE_S


def _is_caused_by_reported(error: BaseException, reported: set[int]) -> bool:
    """Return whether all members of a group, or the cause or context of an exception, are reported."""
    members = _members(error)
    if members and all(id(each) in reported for each in members):
        return True
    return any(id(each) in reported for each in _origins(error))


def _origins(error: BaseException) -> tuple[BaseException, ...]:
    """Return the cause and the context, even if the class of the exception overrides attribute access."""
    found = (BaseException.__getattribute__(error, name) for name in ("__cause__", "__context__"))
    return tuple(each for each in found if isinstance(each, BaseException))


def _members(error: BaseException) -> tuple[BaseException, ...]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()
