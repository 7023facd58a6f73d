"""Detail when something fails: records below INFO wait with their request, and are written if it fails or is slow.

In the manner of Monolog's FingersCrossedHandler, but for each unit of work on its own.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from logging.handlers import MemoryHandler
from threading import RLock
from typing import Any

from observability.conf import configuration
from observability.core.diagnostics import Diagnostics
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.logs.levels import levels
from observability.logs.slow_queries import QUERY
from observability.recorders.log_records import capture_context, find_observation
from observability.text import safe_repr

HELD_LINES_DROPPED = "held_lines_dropped"
SQL_LOGGER = "observability.sql"
SERVER_ERROR = 500
# Of a text that is held, since its request most probably goes well.
MAX_TEXT = 4_096

_containers = frozenset({list, dict, set})
_immutable = frozenset({str, int, float, bool, type(None), bytes, complex})


_diagnostics = Diagnostics("logging:")


class Held:
    """What one handler holds for one outermost observation; the handler makes it with the first record to hold.

    It stands on the observation and goes with it. Records are kept as they are, with the observation that each belongs
    to, and queries as their time and step; nothing is formatted before it is written.
    """

    __slots__ = ("dropped_count", "is_shown", "lines", "lock")

    def __init__(self, capacity: int) -> None:
        self.lines: deque[tuple[logging.LogRecord | tuple[float, Step], Observation]] = deque(maxlen=capacity)
        self.dropped_count = 0
        self.is_shown = False
        # Taken again by its own thread, where showing a record logs another one.
        self.lock = RLock()


# Those that are not closed, for the reader; dictConfig closes the ones that it replaces.
_handlers: tuple["HeldHandler", ...] = ()


class HeldHandler(MemoryHandler):
    """Passes records from INFO on to its target; of `loggers` and those below them, holds what is below INFO.

    What is held goes to the target when its request (command, block of work) fails or logs an error, and when a request
    takes `slow_ms`; in order, each line with its own time, and before the error. From an error on records pass
    directly. What belongs to work that goes well, or to none, is dropped. Of one unit of work the newest `capacity`
    lines are held. Records that a level changed at run time asks for are shown at once, as are those of other loggers.

    A record is written with what was bound when it was made. An argument or fact of it that is no plain value is
    copied, or a message made at once where it has one; what stands deeper in it reads as it is when it is written. A
    text is cut at 4,096 characters.

    It is a MemoryHandler because dictConfig makes the target of those, by its name, before them.
    """

    target: logging.Handler | None

    def __init__(self, *, target: logging.Handler, loggers: Iterable[str], slow_ms: float, capacity: int) -> None:
        _require(isinstance(target, logging.Handler), "target", target, "the name of a handler")
        names = () if isinstance(loggers, str) else tuple(loggers)
        _require(bool(names) and all(isinstance(name, str) for name in names), "loggers", loggers, "a list of names")
        _require(_is_number(slow_ms) and slow_ms >= 0, "slow_ms", slow_ms, "milliseconds, from 0")
        _require(type(capacity) is int and capacity > 0, "capacity", capacity, "a whole number from 1")
        super().__init__(capacity, target=target)
        self.loggers = names
        self.slow_ms = slow_ms
        self._holds: dict[str, bool] = {}
        global _handlers  # noqa: PLW0603 - see there
        _handlers = (*_handlers, self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Hold the record or pass it on; without the lock of a handler, which threads would wait for."""
        if self.filters and not self.filter(record):
            return False
        try:
            self._hold_or_pass(record)
        except Exception as error:  # noqa: BLE001 - logging must not break the work
            _diagnostics.write(f"a line cannot be held: {safe_repr(error)}")
            self._write(record)
        return True

    def _hold_or_pass(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.INFO:
            if record.levelno >= logging.ERROR and (observation := find_observation(record)) is not None:
                self.show(observation.root)
            self._write(record)
        elif not self.holds(record.name) or _is_asked_for(record):
            self._write(record)
        else:
            capture_context(record)
            observation = record.__dict__["observation"]
            if observation is not None:
                _freeze(record)
                self._hold_or_show(record, observation)

    def holds(self, logger: str) -> bool:
        """Whether what this logger says below INFO is held."""
        is_held = self._holds.get(logger)
        if is_held is None:
            is_held = any(name == "root" or f"{logger}.".startswith(f"{name}.") for name in self.loggers)
            self._holds[logger] = is_held
        return is_held

    def hold_query(self, step: Step, observation: Observation) -> None:
        """Hold a query, with the time at which it ended."""
        self._hold_or_show((time.time(), step), observation)

    def show(self, root: Observation) -> None:
        """Write what is held with an outermost observation, and let pass what comes."""
        held = self._held(root)
        with held.lock:
            held.is_shown = True
            lines, held.lines = held.lines, deque(maxlen=self.capacity)
            dropped_count, held.dropped_count = held.dropped_count, 0
        # Without the lock: a target that formats under one of its own could wait for a thread that waits for this one.
        if dropped_count:
            self._write(_dropped_record(dropped_count, *lines[0]))
        for line, observation in lines:
            self._write(_record_of(line, observation))

    def end(self, root: Observation) -> None:
        """Show what is held where the work went wrong or was slow, and forget it where it did not."""
        held: Held | None = root.extensions.get(self)
        if held is None:
            return
        if self.is_worth_showing(root):
            self.show(root)
        with held.lock:
            held.lines.clear()

    def is_worth_showing(self, root: Observation) -> bool:
        """Whether work that ended failed; of a request also whether it was slow, as commands are by nature."""
        if root.failed or root.http is None:
            return root.failed
        return (root.http.status_code or 0) >= SERVER_ERROR or root.duration_ms >= self.slow_ms

    def flush(self) -> None:
        """Do nothing: the work that a record waits with decides."""

    def close(self) -> None:
        """Take no more queries; the target stays, for what is logged while the process ends."""
        global _handlers  # noqa: PLW0603 - see there
        _handlers = tuple(each for each in _handlers if each is not self)
        logging.Handler.close(self)

    def _held(self, root: Observation) -> Held:
        # setdefault is one step for all threads.
        held: Held = root.extensions.get(self) or root.extensions.setdefault(self, Held(self.capacity))
        return held

    def _hold_or_show(self, line: logging.LogRecord | tuple[float, Step], observation: Observation) -> None:
        root = observation.root
        held = self._held(root)
        with held.lock:
            is_shown = held.is_shown or (root.is_closed and self.is_worth_showing(root))
            if not is_shown and not root.is_closed:
                held.dropped_count += len(held.lines) == self.capacity
                held.lines.append((line, observation))
        if is_shown:
            self._write(_record_of(line, observation))

    def _write(self, record: logging.LogRecord) -> None:
        if self.target is not None and record.levelno >= self.target.level:
            self.target.handle(record)


class HeldLines:
    """The reader by which the handlers hear of queries, and of the end of the work that records wait with."""

    def __init__(self) -> None:
        self._sql = logging.getLogger(SQL_LOGGER)

    def step(self, observation: Observation, step: Step) -> None:
        # SlowQueries logs it already.
        if step.kind != "query" or step.duration_ms >= configuration().slow_query_ms:
            return
        if self._sql.isEnabledFor(logging.DEBUG):
            return
        for handler in _handlers:
            if handler.holds(SQL_LOGGER):
                handler.hold_query(step, observation)

    def closed(self, observation: Observation) -> None:
        if observation.parent is None and observation.extensions:
            for handler in _handlers:
                handler.end(observation)


def is_held(logger: str) -> bool:
    """Whether what a logger says below INFO is held, by any handler of this process."""
    return any(handler.holds(logger) for handler in _handlers)


def _is_asked_for(record: logging.LogRecord) -> bool:
    shown_from = levels.shown_from(record.name)
    return shown_from is not None and record.levelno >= shown_from


def _freeze(record: logging.LogRecord) -> None:
    """Let the record be what it is, whatever its caller does with the values that he gave."""
    if record.args and not _immutable.issuperset(map(type, _values(record.args))):
        # A message that cannot be made is told of by the target, if it is ever written.
        with suppress(Exception):
            record.msg, record.args = record.getMessage(), None
    attributes = record.__dict__
    facts = attributes.get("facts")
    if type(facts) is dict and not all(map(_is_small_and_plain, facts.values())):
        attributes["facts"] = {key: _copied(value) for key, value in facts.items()}
    extra = attributes.get("extra_facts")
    if type(extra) is dict and not all(map(_is_small_and_plain, extra.values())):
        attributes["extra_facts"] = {key: _copied(value) for key, value in extra.items()}
        attributes.update(attributes["extra_facts"])
    if type(record.msg) is str:
        record.msg = _copied(record.msg)


def _is_small_and_plain(value: object) -> bool:
    kind = type(value)
    return len(value) <= MAX_TEXT if kind is str else kind in _immutable  # type: ignore[arg-type] # a text by its kind


def _copied(value: Any) -> Any:  # noqa: ANN401 - any fact
    if type(value) is str:
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
    return copy(value) if type(value) in _containers else value


def _values(args: Any) -> Iterable[object]:  # noqa: ANN401 - a tuple, or the one mapping of %(name)s
    return args if isinstance(args, tuple) else args.values()


def _record_of(line: logging.LogRecord | tuple[float, Step], observation: Observation) -> logging.LogRecord:
    if isinstance(line, logging.LogRecord):
        return line
    ended_at, step = line
    facts = {
        "duration_ms": round(step.duration_ms, 3),
        "db.namespace": step.source,
        "db.query.text": step.text,
    }
    return _record(SQL_LOGGER, logging.DEBUG, QUERY, ended_at, facts, observation)


def _dropped_record(
    count: int, first: logging.LogRecord | tuple[float, Step], observation: Observation
) -> logging.LogRecord:
    """What stands in the place of the lines that were too many, at the time of the first one that is left."""
    created = first.created if isinstance(first, logging.LogRecord) else first[0]
    facts = {"dropped_line_count": count}
    return _record("observability.held", logging.INFO, HELD_LINES_DROPPED, created, facts, observation.root)


def _record(
    logger: str, level: int, event: str, created: float, facts: dict[str, Any], observation: Observation
) -> logging.LogRecord:
    record = logging.LogRecord(logger, level, __file__, 0, event, None, None)
    record.created, record.msecs = created, created % 1 * 1000
    record.__dict__ |= {"facts": facts, "observation": observation}
    return record


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(is_allowed: bool, name: str, value: object, allowed: str) -> None:  # noqa: FBT001 - a truth
    if not is_allowed:
        raise ValueError(f"{name} of a HeldHandler is {value!r}: {allowed}.")
