"""The recorder of log records, and what a record says: its observation, and its facts.

The facts of a record are the keys that its caller gave, and what is bound around it: by `note()` and by
`structlog.contextvars`. They reach every line of the work, also those of the standard library and of Django.
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

# A record's own attributes come first in its __dict__, in this number; those of `extra=` follow.
_own_attribute_count = len(logging.makeLogRecord({}).__dict__)
# Attributes that are no facts: what formatters leave on a record, and how Django and uvicorn colour the terminal.
RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime", "bound_facts", "color_message", "extra_facts", "facts", "message", "observation", "request",
    "server_time", "taskName",
}  # fmt: skip
# `get_contextvars()` walks over the whole context, at three times the cost; a test holds the two together.
_registry: dict[str, ContextVar[Any]] = structlog.contextvars._CONTEXT_VARS  # noqa: SLF001
_variables: list[tuple[str, Callable[..., Any]]] = []
_prefix_length = len(structlog.contextvars.STRUCTLOG_KEY_PREFIX)


def find_observation(record: logging.LogRecord) -> Observation | None:
    """The observation that a record belongs to, or None.

    Django logs a response of 4xx and 5xx after the middleware returned, with the request; a server logs an exception
    of a streaming body after the request; a reader logs a closed observation.
    """
    attributes = record.__dict__
    named = attributes.get("observation")
    if isinstance(named, Observation):
        return named
    if "request" in attributes:
        requested = _observation_on(attributes["request"])
        if requested is not None:
            return requested
    here = current()
    if here is None and (error := find_exception(record)) is not None:
        return _observation_on(error)
    return here


def find_exception(record: logging.LogRecord) -> BaseException | None:
    """The exception that a record carries, whatever its caller passed as one."""
    exc_info = record.exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3 and isinstance(exc_info[1], BaseException):  # noqa: PLR2004
        return exc_info[1]
    return None


def _observation_on(carrier: object) -> Observation | None:
    try:
        found = getattr(carrier, "observation", None)
    except Exception:  # noqa: BLE001 - a lazy object that cannot be made must not break the work
        return None
    return found if isinstance(found, Observation) else None


def record_facts(record: logging.LogRecord, observation: Observation | None = None) -> dict[str, Any]:
    """The keys of the caller, then those of `note()`, then those bound; a key of the caller stands over the others.

    The record's observation is looked for where the caller does not know it. The result is not to be changed.
    """
    given = _given_to(record)
    context = record.__dict__.get("bound_facts")
    if not isinstance(context, dict):
        context = _context_of(observation or find_observation(record))
    if not context:
        return given
    facts = {**given, **context}
    return facts if len(facts) == len(given) + len(context) else facts | given


def capture_context(record: logging.LogRecord) -> None:
    """Keep what is bound now with the record, and its observation, for a handler that writes it later."""
    observation = find_observation(record)
    record.__dict__["bound_facts"] = _context_of(observation)
    record.__dict__["observation"] = observation


def format_message(record: logging.LogRecord) -> tuple[str, str]:
    """The text of a record with its arguments, and what was wrong with them: "" where nothing was.

    The text of a message that is a mapping is its key `event` or `message`. Where the arguments do not fit, they follow
    the text as it was written.
    """
    message = record.msg
    if isinstance(message, dict):
        return safe_str(message.get("event", message.get("message", ""))), ""
    try:
        return record.getMessage(), ""
    except Exception as error:  # noqa: BLE001 - a message that cannot be made must not lose the record
        problem = f"{type(error).__qualname__}: {safe_str(error)}"
        return (f"{safe_str(message)} {safe_str(record.args)}" if record.args else safe_str(message)), problem


def _given_to(record: logging.LogRecord) -> dict[str, Any]:
    attributes = record.__dict__
    facts: dict[str, Any] | None = attributes.get("facts")
    if type(facts) is dict and len(attributes) - ("observation" in attributes) == _own_attribute_count + 1:
        return facts
    facts = attributes.get("extra_facts")
    if type(facts) is dict and len(attributes) == _own_attribute_count + 1 + len(facts):
        return facts
    extra = dict(islice(attributes.items(), _own_attribute_count, None))
    spread = extra.pop("facts", None)
    shown = {key: value for key, value in extra.items() if key not in RESERVED or _is_fact_all_the_same(key, value)}
    if isinstance(spread, dict):
        return shown | spread
    return shown if spread is None else shown | {"facts": spread}


def _is_fact_all_the_same(key: str, value: object) -> bool:
    """Whether a caller used the name of what a record finds its observation by for something else."""
    return key in ("observation", "request") and isinstance(value, str | int)


def _context_of(observation: Observation | None) -> dict[str, Any]:
    if observation is None:
        return bound_facts()
    if observation.context is None or current() is observation:
        bound = bound_facts()
    else:
        # Another thread may be inside of it.
        bound = observation.context.copy().run(bound_facts)
    facts = observation.facts
    parent = observation.parent
    while parent is not None:
        facts = parent.facts | facts
        parent = parent.parent
    return {**facts, **bound} if facts else bound


def bound_facts() -> dict[str, Any]:
    """What `structlog.contextvars` has bound here, in the order in which the names were first bound."""
    bound = {}
    for key, get in _variables if len(_variables) == len(_registry) else _known_variables():
        value = get(...)
        if value is not ...:
            bound[key] = value
    return bound


def _known_variables() -> list[tuple[str, Callable[..., Any]]]:
    global _variables  # noqa: PLW0603 - a cache, replaced as a whole: threads may make it at the same time
    _variables = [(name[_prefix_length:], variable.get) for name, variable in tuple(_registry.items())]
    return _variables


class LocklessHandler(logging.Handler):
    """A handler that writes to no stream: it needs no lock, and threads do not wait for each other."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit."""
        if self.filters and not self.filter(record):
            return False
        self.emit(record)
        return True


class ObservationHandler(LocklessHandler):
    """Records each log record as a step of its observation, where it has one that is open; nothing is formatted."""

    def emit(self, record: logging.LogRecord) -> None:
        observation = find_observation(record)
        if observation is None or observation.is_closed:
            return
        step = Step("log", safe_str(record.msg), record.name, ended_ns=perf_counter_ns())
        observation.add_step(step)
        if observation.timeline is not None:
            _add_details(observation.timeline, record, step)


def _add_details(details: Timeline, record: logging.LogRecord, step: Step) -> None:
    text, problem = format_message(record)
    facts = redact(_given_to(record) | ({"problem": problem} if problem else {}))
    stack = redact_text(details.format_other_traceback(find_exception(record)))
    shown = step._replace(text=redact_text(text)[:MAX_STEP_TEXT])
    details.add(shown, level=record.levelname.lower(), facts=facts, stack=stack)


def safe_str(message: object) -> str:
    if type(message) is str:
        return message
    try:
        return str(message)
    except Exception:  # noqa: BLE001 - a message that cannot be made must not break the work
        return f"<{type(message).__qualname__} without a text>"
