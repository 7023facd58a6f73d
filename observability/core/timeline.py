"""The timeline: all steps of one observation with their origin. It is kept only if the observation is profiled."""

import traceback
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from observability.core.steps import Step
from observability.text import safe_str

MAX_ENTRIES = 1_000
# After MAX_ENTRIES, only steps of transactions are kept: without its last step, a transaction would look unfinished.
MAX_TRANSACTION_ENTRIES = 200
MAX_STACK_TEXT = 16_384

_limited_kinds = frozenset({"query", "log", "http_client", "span"})


class TimelineEntry(NamedTuple):
    """A step and its details.

    step: the step.
    origin: why the query ran; a `recorders.query_origin.QueryOrigin`.
    error: the exception of a query that failed.
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
    """The exception that ended the work. `stack` is its traceback; if it is very long, only the end of it."""

    type: str
    message: str
    stack: str


class Timeline:
    """All steps of a unit of work and of the spans inside it, including the steps of transactions.

    The profiler creates it before the work begins (`observation.timeline = Timeline()`), and reads it after the work
    ended. Recorders add steps from any thread. Bounded: it keeps the first 1,000 steps, and counts later steps by kind
    in `dropped`. `origin_cache` belongs to the query recorder; it is cleared at the end of the work.
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
        """Keep the exception that ended the work. A later exception does not replace it."""
        if self.failure is None:
            self._failed = id(error)
            self.failure = ExceptionInfo(type(error).__qualname__, safe_str(error), format_traceback(error))

    def format_other_traceback(self, error: BaseException | None) -> str:
        """Return the traceback of a log record's exception; "" if this exception ended the work (see `failure`)."""
        return "" if error is None or id(error) == self._failed else format_traceback(error)


def format_traceback(error: BaseException) -> str:
    """Return the traceback as Python prints it. Only the last 16,384 characters are returned."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - the methods of the exception may raise anything
        return f"{type(error).__qualname__} (its traceback cannot be formatted)"
    return text if len(text) <= MAX_STACK_TEXT else f"… {text[-MAX_STACK_TEXT:]}"
