"""The log recorder, and the observation and the facts of a log record.

The facts of a record are the keys that the caller of the logger passed, the keys that `note()` added, and the keys that
`structlog.contextvars` bound. The last two are the context: every record of the work has them, also the records of
Django and of other packages that use the standard library.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from itertools import islice
from time import perf_counter_ns
from typing import Any

import structlog

from observability.core.context import current
from observability.core.observation import Observation
from observability.core.steps import MAX_STEP_TEXT, Step
from observability.core.timeline import Timeline
from observability.redaction import redact, redact_text
from observability.text import safe_str

# The number of standard attributes of a record. They come first in its __dict__; attributes from `extra=` follow.
_own_attribute_count = len(logging.makeLogRecord({}).__dict__)
# Attributes that are not facts: standard attributes, and those that formatters, Django and uvicorn set on a record.
RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime", "bound_facts", "color_message", "extra_facts", "facts", "message", "observation", "request",
    "server_time", "taskName",
}  # fmt: skip
# Read structlog's private registry: `get_contextvars()` copies the whole context and costs three times as much. A test
# compares the results of both.
_registry: dict[str, ContextVar[Any]] = structlog.contextvars._CONTEXT_VARS  # noqa: SLF001
_variables: list[tuple[str, Callable[..., Any]]] = []
_prefix_length = len(structlog.contextvars.STRUCTLOG_KEY_PREFIX)


def find_observation(record: logging.LogRecord) -> Observation | None:
    """Return the observation that a record belongs to, or None.

    It is usually the current one. Three kinds of records are logged when their observation is not the current one:
    Django logs a 4xx or 5xx response after the middleware returned; the record has its request. A server logs the
    exception of a streaming body. A reader logs about a closed observation.
    """
    attributes = record.__dict__
    explicit = attributes.get("observation")
    if isinstance(explicit, Observation):
        return explicit
    if "request" in attributes:
        of_request = _observation_on(attributes["request"])
        if of_request is not None:
            return of_request
    observation = current()
    if observation is None and (error := find_exception(record)) is not None:
        return _observation_on(error)
    return observation


def find_exception(record: logging.LogRecord) -> BaseException | None:
    """Return the exception of a record, or None. `exc_info` is checked, because the caller may pass any object."""
    exc_info = record.exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3 and isinstance(exc_info[1], BaseException):  # noqa: PLR2004
        return exc_info[1]
    return None


def _observation_on(carrier: object) -> Observation | None:
    try:
        found = getattr(carrier, "observation", None)
    except Exception:  # noqa: BLE001 - a lazy object may raise anything
        return None
    return found if isinstance(found, Observation) else None


def record_facts(record: logging.LogRecord, observation: Observation | None = None) -> dict[str, Any]:
    """Return the facts of a record: the keys of the caller, of `note()` and of structlog, in this order.

    If a key occurs twice, the value of the caller is used. Without `observation`, the observation of the record is
    looked up. The result may be shared: do not change it.
    """
    given = _caller_facts(record)
    context = record.__dict__.get("bound_facts")
    if not isinstance(context, dict):
        context = _context_facts(observation or find_observation(record))
    if not context:
        return given
    facts = {**given, **context}
    return facts if len(facts) == len(given) + len(context) else facts | given


def capture_context(record: logging.LogRecord) -> None:
    """Store the context and the observation on the record, for a handler that writes it later."""
    observation = find_observation(record)
    record.__dict__["bound_facts"] = _context_facts(observation)
    record.__dict__["observation"] = observation


def format_message(record: logging.LogRecord) -> tuple[str, str]:
    """Return the text of a record formatted with its arguments, and the error of formatting ("" if it succeeded).

    If the message is a mapping, the text is its value of `event` or `message`. If formatting fails, the text is the
    unformatted message followed by the arguments.
    """
    message = record.msg
    if isinstance(message, dict):
        return safe_str(message.get("event", message.get("message", ""))), ""
    try:
        return record.getMessage(), ""
    except Exception as error:  # noqa: BLE001 - a message that cannot be formatted must not lose the record
        problem = f"{type(error).__qualname__}: {safe_str(error)}"
        return (f"{safe_str(message)} {safe_str(record.args)}" if record.args else safe_str(message)), problem


def _caller_facts(record: logging.LogRecord) -> dict[str, Any]:
    attributes = record.__dict__
    facts: dict[str, Any] | None = attributes.get("facts")
    if type(facts) is dict and len(attributes) - ("observation" in attributes) == _own_attribute_count + 1:
        return facts
    facts = attributes.get("extra_facts")
    if type(facts) is dict and len(attributes) == _own_attribute_count + 1 + len(facts):
        return facts
    extra = dict(islice(attributes.items(), _own_attribute_count, None))
    spread = extra.pop("facts", None)
    keys = {key: value for key, value in extra.items() if key not in RESERVED or _is_caller_fact(key, value)}
    if isinstance(spread, dict):
        return keys | spread
    return keys if spread is None else keys | {"facts": spread}


def _is_caller_fact(key: str, value: object) -> bool:
    """Return whether the caller passed a string or number with the reserved key `observation` or `request`."""
    return key in ("observation", "request") and isinstance(value, str | int)


def _context_facts(observation: Observation | None) -> dict[str, Any]:
    if observation is None:
        return bound_facts()
    if observation.context is None or current() is observation:
        bound = bound_facts()
    else:
        # Another thread may be running in this context, so use a copy of it.
        bound = observation.context.copy().run(bound_facts)
    facts = observation.facts
    parent = observation.parent
    while parent is not None:
        facts = parent.facts | facts
        parent = parent.parent
    return {**facts, **bound} if facts else bound


def bound_facts() -> dict[str, Any]:
    """Return the keys that `structlog.contextvars` has bound here, in the order in which they were first bound."""
    bound = {}
    for key, get in _variables if len(_variables) == len(_registry) else _known_variables():
        value = get(...)
        if value is not ...:
            bound[key] = value
    return bound


def _known_variables() -> list[tuple[str, Callable[..., Any]]]:
    global _variables  # noqa: PLW0603 - a cache; the list is replaced, not changed, because several threads may do it
    _variables = [(name[_prefix_length:], variable.get) for name, variable in tuple(_registry.items())]
    return _variables


class LocklessHandler(logging.Handler):
    """A handler without a lock, for handlers that do not write to a stream. Threads do not wait for each other."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit the record, without a lock."""
        if self.filters and not self.filter(record):
            return False
        self.emit(record)
        return True


class ObservationHandler(LocklessHandler):
    """Add each log record to its observation as a step, if the observation is open.

    The message is formatted only if the observation has a timeline.
    """

    def emit(self, record: logging.LogRecord) -> None:
        observation = find_observation(record)
        if observation is None or observation.is_closed:
            return
        step = Step("log", safe_str(record.msg), record.name, ended_ns=perf_counter_ns())
        observation.add_step(step)
        if observation.timeline is not None:
            _add_to_timeline(observation.timeline, record, step)


def _add_to_timeline(timeline: Timeline, record: logging.LogRecord, step: Step) -> None:
    text, problem = format_message(record)
    facts = redact(_caller_facts(record) | ({"problem": problem} if problem else {}))
    stack = redact_text(timeline.format_other_traceback(find_exception(record)))
    step = step._replace(text=redact_text(text)[:MAX_STEP_TEXT])
    timeline.add(step, level=record.levelname.lower(), facts=facts, stack=stack)
