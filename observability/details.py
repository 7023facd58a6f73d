"""All that one unit of work did, in order and with its reasons, for a developer who looks at it. Standard library only.

An observation counts, and remembers its last steps: that is what every request can afford. Where somebody wants to see
the whole, an observation has `Details` as well, and the recorders write into them what they look for nowhere else.
"""

import traceback
from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from observability.step import Step

MAX_ENTRIES = 1_000
# Beyond these, parts of transactions.
MAX_TRANSACTION_ENTRIES = 200
MAX_STACK_TEXT = 16_384


class Detail(NamedTuple):
    """A step, and what is known of it beside.

    `cause` is an `observability.causes.cause.Cause` (query), `error` says how it failed (query), `level` is the name of
    the level and `facts` the keys of a log record, without secrets (line), `stack` the traceback that a record carries.
    """

    step: Step
    cause: object = None
    error: str = ""
    level: str = ""
    facts: Mapping[str, Any] = {}
    stack: str = ""


class Failure(NamedTuple):
    """The exception that ended the work; `stack` is its traceback, the end of it where it is very long."""

    type: str
    message: str
    stack: str


class Details:
    """The steps of a unit of work and of what runs within it, with what a step alone does not say.

    Whoever wants to look makes it, `observation.details = Details()`, before the work begins; recorders add to it from
    any thread; it is read when the work has ended. Bounded: the first 1,000 steps are kept, of the others `dropped`
    counts each kind. Transactions are told here from their beginning, with their savepoints. `before` is for who looks
    for causes: what was found for a statement; the work's end empties it.
    """

    __slots__ = ("_failed", "_lock", "before", "dropped", "entries", "failure")

    def __init__(self) -> None:
        self.entries: list[Detail] = []
        self.dropped: Counter[str] = Counter()
        self.failure: Failure | None = None
        self.before: dict[str, Any] = {}
        self._failed: int | None = None
        self._lock = Lock()

    def add(
        self,
        step: Step,
        *,
        cause: object = None,
        error: str = "",
        level: str = "",
        facts: Mapping[str, Any] | None = None,
        stack: str = "",
    ) -> None:
        # A transaction without its end would read as another one.
        is_counted = step.kind in ("query", "line", "call", "work")
        if len(self.entries) < (MAX_ENTRIES if is_counted else MAX_ENTRIES + MAX_TRANSACTION_ENTRIES):
            self.entries.append(Detail(step, cause, error, level, facts or {}, stack))
        else:
            with self._lock:
                self.dropped[step.kind] += 1

    def fail(self, error: BaseException) -> None:
        """Keep the exception that ended the work; the first one stands."""
        if self.failure is None:
            self._failed = id(error)
            self.failure = Failure(type(error).__qualname__, _text_of(error), stack_of(error))

    def stack_unless_known(self, error: BaseException | None) -> str:
        """The traceback of an exception that a record carries; nothing where it is the one that ended the work."""
        return "" if error is None or id(error) == self._failed else stack_of(error)


def stack_of(error: BaseException) -> str:
    """The traceback as Python prints it; of a longer one the last 16,384 characters, which end with the exception."""
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - what cannot be told must not break what it tells of
        return f"{type(error).__qualname__}, whose traceback cannot be made"
    return text if len(text) <= MAX_STACK_TEXT else f"… {text[-MAX_STACK_TEXT:]}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - as above
        return "(without a text)"
