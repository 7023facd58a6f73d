"""The timeline: all steps of one observation, with their origin, kept while somebody profiles it."""

import traceback
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from observability.core.steps import Step
from observability.text import safe_str

MAX_ENTRIES = 1_000
# Beyond these, begin and end of transactions only: a transaction without its end would read as another one.
MAX_TRANSACTION_ENTRIES = 200
MAX_STACK_TEXT = 16_384

_limited_kinds = frozenset({"query", "log", "http_client", "span"})


class TimelineEntry(NamedTuple):
    """A step with what else is known about it.

    step: the step.
    origin: why the query ran, a `recorders.query_origin.QueryOrigin`.
    error: how the query failed.
    level, facts: the level name and the keys of a log record, without secrets.
    stack: the traceback of a log record.
    """

    step: Step
    origin: object = None
    error: str = ""
    level: str = ""
    facts: Mapping[str, Any] = {}
    stack: str = ""


class ExceptionInfo(NamedTuple):
    """The exception that ended the work; `stack` is its traceback, only the end of it if it is very long."""

    type: str
    message: str
    stack: str


class Timeline:
    """All steps of a unit of work and of the spans inside it, also those of transactions.

    The profiler creates it before the work begins (`observation.timeline = Timeline()`). Recorders add to it from any
    thread. The profiler reads it when the work has ended. Bounded: it keeps the first 1,000 steps and counts the others
    by kind in `dropped`. `origin_cache` belongs to the query recorder; the end of the work empties it.
    """

    __slots__ = ("_failed", "_lock", "dropped", "entries", "failure", "origin_cache")

    def __init__(self) -> None:
        self.entries: list[TimelineEntry] = []
        self.dropped: Counter[str] = Counter()
        self.failure: ExceptionInfo | None = None
        self.origin_cache: dict[str, Any] = {}
        self._failed: int | None = None
        self._lock = Lock()

    def add(
        self,
        step: Step,
        *,
        origin: object = None,
        error: str = "",
        level: str = "",
        facts: Mapping[str, Any] | None = None,
        stack: str = "",
    ) -> None:
        limit = MAX_ENTRIES if step.kind in _limited_kinds else MAX_ENTRIES + MAX_TRANSACTION_ENTRIES
        if len(self.entries) < limit:
            self.entries.append(TimelineEntry(step, origin, error, level, facts or {}, stack))
        else:
            with self._lock:
                self.dropped[step.kind] += 1

    def fail(self, error: BaseException) -> None:
        """Keep the exception that ended the work; the first one stays."""
        if self.failure is None:
            self._failed = id(error)
            self.failure = ExceptionInfo(type(error).__qualname__, safe_str(error), format_traceback(error))

    def format_other_traceback(self, error: BaseException | None) -> str:
        """Return the traceback of a log record's exception; empty if it is the one that ended the work."""
        return "" if error is None or id(error) == self._failed else format_traceback(error)


def format_traceback(error: BaseException) -> str:
    """Return the traceback as Python prints it; the last 16,384 characters of a longer one."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - any code may run in the exception's own methods
        return f"{type(error).__qualname__} (its traceback cannot be formatted)"
    return text if len(text) <= MAX_STACK_TEXT else f"… {text[-MAX_STACK_TEXT:]}"
