"""The first report of a failure is sent, and no other."""

import logging
import sys
from typing import Any

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from observability.core.context import current
from observability.core.observation import Observation
from observability.recorders.log_records import find_exception, find_observation
from observability.sentry.failure import ReportedEvent, is_reported
from observability.text import safe_str

SERVER_ERROR = 500
# Whose loggers tell of exceptions that nobody handled.
FRAMEWORKS = frozenset({"django", "gunicorn", "uvicorn", "asyncio"})


def report_record(record: logging.LogRecord) -> None:
    """Report the failure that a log record tells of, unless it was reported before or is one of the client."""
    # Inside of an `except` block an error is about the exception, whether it was given to the logger or not.
    error = find_exception(record)
    if error is None:
        error = sys.exception()
    if not _is_failure(record, error):
        return
    event: Event = {"logger": record.name, "level": _level(record)}
    is_handled = record.name.partition(".")[0] not in FRAMEWORKS
    if is_handled or error is None:
        event["logentry"] = _entry(record)
    _send(event, {"log_record": record}, error, find_observation(record), is_handled=is_handled)


def report_exception(error: BaseException, observation: Observation | None) -> None:
    """Report an exception that ended a unit of work, unless it was reported before."""
    if not is_reported(error, observation):
        _send({"level": "error"}, {}, error, observation, is_handled=False)


def _is_failure(record: logging.LogRecord, error: BaseException | None) -> bool:
    status_code = _status_code(record)
    if status_code is not None and status_code < SERVER_ERROR:
        return False
    observation = find_observation(record)
    if error is not None:
        return not is_reported(error, observation)
    # The answer 500 that follows from a failure is none of its own.
    return not (is_answer(record) and observation is not None and ReportedEvent.find_id(observation) is not None)


def is_answer(record: logging.LogRecord) -> bool:
    """Whether it is Django's record of a response, and of no exception."""
    return _status_code(record) is not None and find_exception(record) is None


def _status_code(record: logging.LogRecord) -> int | None:
    """The status that Django logs of its own response; elsewhere one is a fact, of another service's answer maybe."""
    status_code = getattr(record, "status_code", None)
    return status_code if record.name.startswith("django.") and isinstance(status_code, int) else None


def _send(
    event: Event, hint: Hint, error: BaseException | None, observation: Observation | None, *, is_handled: bool
) -> None:
    client = sentry_sdk.get_client()
    if not client.is_active():
        return
    if error is not None:
        mechanism = {"type": "logging" if "log_record" in hint else "observation", "handled": is_handled}
        event = _exceptions(error, client.options, mechanism) | event
        hint["exc_info"] = (type(error), error, error.__traceback__)
    hint["observation"] = observation or current()
    sentry_sdk.capture_event(event, hint)


def _exceptions(error: BaseException, options: dict[str, Any], mechanism: dict[str, Any]) -> Event:
    """The exception with its chain, or its type alone where its class lets nobody read it."""
    try:
        return event_from_exception(error, client_options=options, mechanism=mechanism)[0]
    except Exception:  # noqa: BLE001 - an exception that cannot be shown must not be lost
        alone = {"type": type(error).__qualname__, "module": type(error).__module__, "mechanism": mechanism}
        return {"level": "error", "exception": {"values": [alone]}}


def _entry(record: logging.LogRecord) -> dict[str, Any]:
    """The event's name, which gives an issue its title, and the message that a person reads."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a message that cannot be made must not lose the failure
        message = safe_str(record.msg)
    return {"message": safe_str(record.msg), "formatted": message}


def _level(record: logging.LogRecord) -> Any:  # noqa: ANN401 - a literal type of the SDK
    if record.levelno >= logging.CRITICAL:
        return "fatal"
    return "error" if record.levelno >= logging.ERROR else "warning"
