"""Buffered records: keep records below INFO until their request ends, and write them if it failed or was slow.

Monolog's FingersCrossedHandler does the same with one buffer per process. Here each unit of work has its own buffer.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import copy
from logging.handlers import MemoryHandler
from threading import RLock
from typing import TypeAlias

from observability.conf import configuration
from observability.core.diagnostics import Diagnostics
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.logs.levels import levels
from observability.logs.slow_queries import QUERY, query_facts
from observability.recorders.log_records import capture_context, find_observation
from observability.text import ELLIPSIS, safe_repr

BUFFERED_RECORDS_DROPPED = "buffered_records_dropped"
SQL_LOGGER = "observability.sql"
SERVER_ERROR = 500
# The maximum length of a buffered text, in characters. Most buffers are discarded, so they must be cheap.
MAX_TEXT = 4_096

# A query is buffered as its end time and its step. It becomes a record if the buffer is written.
BufferedItem: TypeAlias = logging.LogRecord | tuple[float, Step]

_containers = frozenset({list, dict, set})
_immutable = frozenset({str, int, float, bool, type(None), bytes, complex})

_diagnostics = Diagnostics("logging:")
# All handlers that are not closed. The reader uses them. dictConfig closes the handlers that it replaces.
_handlers: tuple["BufferingHandler", ...] = ()


class BufferingHandler(MemoryHandler):
    """Pass records of INFO and above to the target. Buffer records below INFO of `loggers` and their children.

    Each unit of work has a buffer with its newest `capacity` records. The buffer is written if the work fails, logs an
    error, or is a request that takes `slow_ms` or more. Records are written in order, with their original times, before
    the error. After an error, later records are passed directly. If the work succeeds, the buffer is discarded. Records
    of `loggers` below INFO outside of any unit of work are dropped. Records of other loggers, and records that a
    changed level enables, are passed directly.

    A record is written with the context that was bound when it was created. Arguments and facts that are containers
    are copied. A message with mutable arguments is formatted immediately. Objects inside containers are not copied:
    they are formatted when the buffer is written. A text is cut at 4,096 characters.

    The base class is MemoryHandler, because dictConfig creates the `target` of a MemoryHandler first.
    """

    target: logging.Handler | None

    def __init__(self, *, target: logging.Handler, loggers: Iterable[str], slow_ms: float, capacity: int) -> None:
        _require(isinstance(target, logging.Handler), "target", target, "the name of a handler")
        names = () if isinstance(loggers, str) else tuple(loggers)
        _require(
            bool(names) and all(isinstance(name, str) for name in names), "loggers", loggers, "a list of logger names"
        )
        _require(_is_number(slow_ms) and slow_ms >= 0, "slow_ms", slow_ms, "a number of milliseconds, 0 or more")
        _require(type(capacity) is int and capacity > 0, "capacity", capacity, "a whole number, 1 or more")
        super().__init__(capacity, target=target)
        self.loggers = names
        self.slow_ms = slow_ms
        self._decision_by_logger: dict[str, bool] = {}
        global _handlers  # noqa: PLW0603 - replaced as a whole, see its comment
        _handlers = (*_handlers, self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Buffer the record or pass it to the target, without the lock of the base class: threads would wait for it."""
        if self.filters and not self.filter(record):
            return False
        try:
            self._buffer_or_pass(record)
        except Exception as error:  # noqa: BLE001 - logging must not break the work
            _diagnostics.write(f"a record cannot be buffered: {safe_repr(error)}")
            self._write(record)
        return True

    def _buffer_or_pass(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.INFO:
            if record.levelno >= logging.ERROR and (observation := find_observation(record)) is not None:
                self.write_buffer(observation.root)
            self._write(record)
        elif not self.buffers(record.name) or _passes_changed_level(record):
            self._write(record)
        else:
            capture_context(record)
            observation = record.__dict__["observation"]
            if observation is not None:
                _copy_mutable_values(record)
                self._buffer_or_write(record, observation)

    def buffers(self, logger: str) -> bool:
        """Return whether records of this logger below INFO are buffered."""
        is_buffered = self._decision_by_logger.get(logger)
        if is_buffered is None:
            is_buffered = any(name == "root" or f"{logger}.".startswith(f"{name}.") for name in self.loggers)
            self._decision_by_logger[logger] = is_buffered
        return is_buffered

    def buffer_query(self, step: Step, observation: Observation) -> None:
        """Buffer a query that has just ended."""
        self._buffer_or_write((time.time(), step), observation)

    def write_buffer(self, root: Observation) -> None:
        """Write the buffer of an outermost observation. Its later records are passed directly."""
        buffer = self._buffer(root)
        with buffer.lock:
            buffer.passes_directly = True
            items, buffer.items = buffer.items, deque(maxlen=self.capacity)
            dropped_count, buffer.dropped_count = buffer.dropped_count, 0
        # Write without the lock: a target has its own lock, and two locks in different order are a deadlock.
        if dropped_count:
            self._write(_dropped_record(dropped_count, *items[0]))
        for item, observation in items:
            self._write(_to_record(item, observation))

    def close_buffer(self, root: Observation) -> None:
        """Write the buffer if the work failed or was slow, then empty it. Called when the work has ended."""
        buffer: RecordBuffer | None = root.extensions.get(self)
        if buffer is None:
            return
        if self.failed_or_was_slow(root):
            self.write_buffer(root)
        with buffer.lock:
            buffer.items.clear()

    def failed_or_was_slow(self, root: Observation) -> bool:
        """Return whether the work failed, or is a slow request. Commands are often slow, so they do not count."""
        if root.failed or root.http is None:
            return root.failed
        return (root.http.status_code or 0) >= SERVER_ERROR or root.duration_ms >= self.slow_ms

    def flush(self) -> None:
        """Do nothing. A buffer is written or emptied when its work ends."""

    def close(self) -> None:
        """Stop buffering queries. Keep the target for records that are logged while the process ends."""
        global _handlers  # noqa: PLW0603 - replaced as a whole, see its comment
        _handlers = tuple(each for each in _handlers if each is not self)
        logging.Handler.close(self)

    def _buffer(self, root: Observation) -> "RecordBuffer":
        # setdefault() is atomic.
        buffer: RecordBuffer = root.extensions.get(self) or root.extensions.setdefault(
            self, RecordBuffer(self.capacity)
        )
        return buffer

    def _buffer_or_write(self, item: BufferedItem, observation: Observation) -> None:
        root = observation.root
        buffer = self._buffer(root)
        with buffer.lock:
            passes_directly = buffer.passes_directly or (root.is_closed and self.failed_or_was_slow(root))
            if not passes_directly and not root.is_closed:
                buffer.dropped_count += len(buffer.items) == self.capacity
                buffer.items.append((item, observation))
        if passes_directly:
            self._write(_to_record(item, observation))

    def _write(self, record: logging.LogRecord) -> None:
        if self.target is not None and record.levelno >= self.target.level:
            self.target.handle(record)


class RecordBuffer:
    """The buffer of one handler for one outermost observation. The handler creates it with the first record.

    It is an extension of the observation, and is freed with it. Each record is stored with its observation. Records are
    formatted only if the buffer is written.
    """

    __slots__ = ("dropped_count", "items", "lock", "passes_directly")

    def __init__(self, capacity: int) -> None:
        self.items: deque[tuple[BufferedItem, Observation]] = deque(maxlen=capacity)
        self.dropped_count = 0
        self.passes_directly = False
        # The lock is reentrant, because writing a record may log another record in the same thread.
        self.lock = RLock()


class BufferedRecordsReader:
    """Buffer the queries of each observation. Write or empty the buffers when the outermost observation closes."""

    def __init__(self) -> None:
        self._sql = logging.getLogger(SQL_LOGGER)

    def step(self, observation: Observation, step: Step) -> None:
        # SlowQueryReader logs slow queries, and all queries at the level DEBUG.
        if step.kind != "query" or step.duration_ms >= configuration().slow_query_ms:
            return
        if self._sql.isEnabledFor(logging.DEBUG):
            return
        for handler in _handlers:
            if handler.buffers(SQL_LOGGER):
                handler.buffer_query(step, observation)

    def closed(self, observation: Observation) -> None:
        if observation.parent is None and observation.extensions:
            for handler in _handlers:
                handler.close_buffer(observation)


def is_buffered(logger: str) -> bool:
    """Return whether any handler of this process buffers records of a logger below INFO."""
    return any(handler.buffers(logger) for handler in _handlers)


def _passes_changed_level(record: logging.LogRecord) -> bool:
    changed_level = levels.changed_level(record.name)
    return changed_level is not None and record.levelno >= changed_level


def _copy_mutable_values(record: logging.LogRecord) -> None:
    """Copy the mutable values of a record, so that the record does not change if the caller changes them later."""
    if record.args and not _immutable.issuperset(map(type, _values(record.args))):
        # If the message cannot be formatted, the formatter of the target reports that later.
        with suppress(Exception):
            record.msg, record.args = record.getMessage(), None
    attributes = record.__dict__
    facts = attributes.get("facts")
    if type(facts) is dict and not all(map(_needs_no_copy, facts.values())):
        attributes["facts"] = {key: _copy(value) for key, value in facts.items()}
    extra = attributes.get("extra_facts")
    if type(extra) is dict and not all(map(_needs_no_copy, extra.values())):
        attributes["extra_facts"] = {key: _copy(value) for key, value in extra.items()}
        attributes.update(attributes["extra_facts"])
    if type(record.msg) is str:
        record.msg = _copy(record.msg)


def _needs_no_copy(value: object) -> bool:
    kind = type(value)
    return len(value) <= MAX_TEXT if kind is str else kind in _immutable  # type: ignore[arg-type] # kind is its type


def _copy(value: object) -> object:
    if type(value) is str:
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}{ELLIPSIS}"
    return copy(value) if type(value) in _containers else value


def _values(args: tuple[object, ...] | Mapping[str, object]) -> Iterable[object]:
    """Return the values that are formatted: the items of a tuple, or the values of a mapping for `%(name)s`."""
    return args if isinstance(args, tuple) else args.values()


def _to_record(item: BufferedItem, observation: Observation) -> logging.LogRecord:
    if isinstance(item, logging.LogRecord):
        return item
    ended_at, step = item
    return _record(SQL_LOGGER, logging.DEBUG, QUERY, ended_at, query_facts(step), observation)


def _dropped_record(count: int, first: BufferedItem, observation: Observation) -> logging.LogRecord:
    """Return a record with the number of dropped records. Its time is that of the first record that is left."""
    created = first.created if isinstance(first, logging.LogRecord) else first[0]
    facts: dict[str, object] = {"dropped_count": count}
    return _record("observability.buffering", logging.INFO, BUFFERED_RECORDS_DROPPED, created, facts, observation.root)


def _record(
    logger: str, level: int, event: str, created: float, facts: dict[str, object], observation: Observation
) -> logging.LogRecord:
    record = logging.LogRecord(logger, level, __file__, 0, event, None, None)
    record.created, record.msecs = created, created % 1 * 1000
    record.__dict__ |= {"facts": facts, "observation": observation}
    return record


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(is_allowed: bool, name: str, value: object, allowed: str) -> None:  # noqa: FBT001 - the condition itself
    if not is_allowed:
        raise ValueError(f"{name} of a BufferingHandler is {value!r}. Allowed: {allowed}.")
