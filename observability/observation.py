"""The Observation, the one record of a unit of work, and `observe()`, which opens one. Standard library only."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, Literal

from observability.details import Details
from observability.http_exchange import HttpExchange
from observability.readers import readers
from observability.step import MAX_STEP_TEXT, Step
from observability.trace_parent import TraceParent

Kind = Literal["request", "command", "work"]
Fact = str | int | float | bool | None

MAX_FACTS = 32
MAX_FACT_NAME = 128
MAX_FACT_LENGTH = 1024
MAX_TRAIL = 50
MAX_STATEMENTS = 200

_current: ContextVar["Observation | None"] = ContextVar("observation", default=None)
# Emptied when the first observation of the process is made.
_before_first: list[Callable[[], None]] = []


class Observation:
    """The record of one unit of work: an HTTP request, a management command, or a `with observe(…)` block.

    The middleware, `commands` and `observe()` open it; recorders add steps from any thread or task that inherited it;
    whoever opened it calls `close()`, and what comes later is dropped. Bounded: 32 facts, a trail of the last 50 steps
    (each text cut at 2,048 characters), 200 statements counted apart, however much the work does. What happens in an
    observation within another one counts in both. Times are in milliseconds. `context` is what the work bound, for
    lines about it that come from outside of it; None while it is not known. `kept` is for readers: what one keeps with
    the observation, under a key of its own, goes when the observation goes. `query_budget` is how many queries the
    application may run, where something watches that: `framework_query_count` of `query_count` are not among them.
    `event_id` is that of the report of its failure, where one was made. `details` are there where somebody wants to see
    the whole of it; observations within it share them.
    """

    __slots__ = (
        "__weakref__",
        "_duration_ms",
        "_lock",
        "_outgoing_count",
        "_outgoing_duration_ms",
        "_query_count",
        "_query_duration_ms",
        "_started_ns",
        "_statements",
        "_trail",
        "_uncounted",
        "context",
        "details",
        "dropped_fact_count",
        "error_type",
        "event_id",
        "facts",
        "failed",
        "framework_query_count",
        "http",
        "kept",
        "kind",
        "name",
        "over_budget",
        "parent",
        "parent_span_id",
        "query_budget",
        "request_id",
        "span_id",
        "started_at",
        "trace_id",
        "transaction",
    )

    def __init__(
        self,
        kind: Kind,
        name: str,
        *,
        request_id: str = "",
        caller: TraceParent | None = None,
        parent: "Observation | None" = None,
        http: HttpExchange | None = None,
    ) -> None:
        if _before_first:
            _prepare()
        # One question to the system for all three ids: each costs as much as the rest of this.
        ids = os.urandom(40).hex()
        self.kind = kind
        self.name = name
        self.parent = parent
        self.http = http
        self.span_id: str = ids[64:]
        self.parent_span_id: str | None
        if parent is None:
            self.request_id: str = request_id or ids[:32]
            self.trace_id: str = caller.trace_id if caller else ids[32:64]
            self.parent_span_id = caller.span_id if caller else None
        else:
            self.request_id = request_id or parent.request_id
            self.trace_id = caller.trace_id if caller else parent.trace_id
            self.parent_span_id = caller.span_id if caller else parent.span_id
        self.facts: dict[str, Fact] = {}
        self.kept: dict[object, Any] = {}
        self.details: Details | None = None if parent is None else parent.details
        self.dropped_fact_count = 0
        self.error_type: str | None = None
        self.event_id: str | None = None
        self.failed = False
        self.query_budget: int | None = None
        self.framework_query_count = 0
        self.over_budget = False
        self._query_count = 0
        self._query_duration_ms = 0.0
        self._statements: dict[str, int] = {}
        self._outgoing_count = 0
        self._outgoing_duration_ms = 0.0
        self.transaction: Literal["none", "committed", "rolled_back"] = "none"
        self._trail: deque[Step] = deque(maxlen=MAX_TRAIL)
        self._uncounted: deque[Step] = deque()
        self.context: Context | None = None
        self._lock = threading.RLock()
        self._duration_ms: float | None = None
        self.started_at = time.time()
        self._started_ns = time.perf_counter_ns()

    @property
    def duration_ms(self) -> float:
        """The time it took, or so far."""
        return self._elapsed_ms() if self._duration_ms is None else self._duration_ms

    def milliseconds_at(self, step: Step) -> float:
        """When a step began, in milliseconds since the start of the work."""
        return max(0.0, (step.ended_ns - self._started_ns) / 1e6 - step.duration_ms)

    def time_of(self, step: Step) -> float:
        """When a step ended, in seconds of the epoch; the time of the start where that is not known."""
        return self.started_at + max(0, step.ended_ns - self._started_ns) / 1e9

    @property
    def is_closed(self) -> bool:
        return self._duration_ms is not None

    @property
    def query_count(self) -> int:
        """How many queries it ran."""
        if self._uncounted:
            self._count()
        return self._query_count

    @property
    def query_duration_ms(self) -> float:
        """How long its queries took together."""
        if self._uncounted:
            self._count()
        return self._query_duration_ms

    @property
    def outgoing_count(self) -> int:
        """How often it called another service."""
        if self._uncounted:
            self._count()
        return self._outgoing_count

    @property
    def outgoing_duration_ms(self) -> float:
        """How long it waited for the answers of other services, each of them; calls at the same time add up."""
        if self._uncounted:
            self._count()
        return self._outgoing_duration_ms

    @property
    def statements(self) -> dict[str, int]:
        """How often each statement ran, by its fingerprint."""
        if self._uncounted:
            self._count()
        return self._statements

    @property
    def trail(self) -> deque[Step]:
        """Its last steps, the oldest first."""
        if self._uncounted:
            self._count()
        return self._trail

    @property
    def root(self) -> "Observation":
        """The outermost of the observations around this one; itself where there is none."""
        observation = self
        while observation.parent is not None:
            observation = observation.parent
        return observation

    @property
    def repeated_count(self) -> int:
        """How often the most repeated statement ran; 1 where none was repeated, 0 without statements."""
        return max(self.statements.values(), default=0)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter_ns() - self._started_ns) / 1e6

    def note(self, **facts: object) -> None:
        """Add facts to the record. From the 33rd key on they are counted in `dropped_fact_count` instead."""
        if self.is_closed:
            return
        for name, value in facts.items():
            key = name[:MAX_FACT_NAME]
            if key in self.facts or len(self.facts) < MAX_FACTS:
                self.facts[key] = _primitive(value)
            else:
                self.dropped_fact_count += 1

    def fail(self, error: BaseException, *, expected: bool = False) -> None:
        """Remember the type of the exception that ended the work; the first one stands.

        An `expected` one, and what is no `Exception` (a cancelled task, Ctrl-C), is named but is no failure.
        """
        if self.error_type is None and not self.is_closed:
            self.error_type = qualified_name(type(error))
            if self.details is not None and self.parent is None:
                self.details.fail(error)
            self.failed = isinstance(error, Exception) and not expected

    def record(self, step: Step) -> None:
        """Count a step, here and in the enclosing observations, and hand it to the readers; dropped after the end."""
        if self._duration_ms is not None:
            return
        observation: Observation | None = self
        while observation is not None:
            uncounted = observation._uncounted  # noqa: SLF001 - its own class
            uncounted.append(step)
            if len(uncounted) >= MAX_TRAIL or len(step.text) > MAX_STEP_TEXT:
                observation._count()  # noqa: SLF001 - as above
            observation = observation.parent
        readers.step(self, step)

    def _count(self) -> None:
        """Count the steps that came since the last look: many in one go cost half of what each would cost in its turn.

        Threads may add steps meanwhile: a deque loses none. What comes after the end is dropped.
        """
        with self._lock:
            steps = self._uncounted
            if self._duration_ms is not None:
                steps.clear()
            while steps:
                step = steps.popleft()
                kind, text, _, duration_ms, fingerprint, _ = step
                cut = step if len(text) <= MAX_STEP_TEXT else step._replace(text=_cut(text, MAX_STEP_TEXT))
                self._trail.append(cut)
                if kind == "query":
                    self._query_count += 1
                    self._query_duration_ms += duration_ms
                    if fingerprint in self._statements:
                        self._statements[fingerprint] += 1
                    elif len(self._statements) < MAX_STATEMENTS:
                        self._statements[fingerprint] = 1
                elif kind == "call":
                    self._outgoing_count += 1
                    self._outgoing_duration_ms += duration_ms

    def settle(self, outcome: Literal["committed", "rolled_back"]) -> None:
        """Remember how a transaction ended, here and in the enclosing observations; one that was rolled back stands."""
        observation: Observation | None = self
        while observation is not None:
            if observation.transaction != "rolled_back" and not observation.is_closed:
                observation.transaction = outcome
            observation = observation.parent

    def close(self) -> None:
        """End the work and call the readers' `closed`: at the first call only, whoever comes next."""
        with self._lock:
            if self.is_closed:
                return
            self._count()
            self._duration_ms = self._elapsed_ms()
        if self.details is not None:
            if self.parent is None:
                self.details.before.clear()
            else:
                self.details.add(Step("work", self.name, "", self._duration_ms, ended_ns=time.perf_counter_ns()))
        readers.closed(self)


def before_first(act: Callable[[], None]) -> None:
    """Have this done before the next observation of the process is made: what only work needs, and a start does not.

    Threads that make an observation at the same moment all do it, so it has to allow that, and let them wait.
    """
    _before_first.append(act)


def _prepare() -> None:
    for act in tuple(_before_first):
        act()
    _before_first.clear()


class active:  # noqa: N801 - a context manager, and read as a phrase: `with active(observation):`
    """Make an observation the current one for a block, and on every way out the one before it again.

    With None the block belongs to no observation: what a tool of the developer does for itself is not the request's.
    It sets the variable back instead of resetting a token: under ASGI a response is closed in another Context, in
    which a token of the first one is refused.
    """

    __slots__ = ("_observation", "_previous")

    def __init__(self, observation: Observation | None) -> None:
        self._observation = observation

    def __enter__(self) -> None:
        self._previous = _current.get()
        _current.set(self._observation)

    def __exit__(self, *exception: object) -> None:
        _current.set(self._previous)


def current() -> Observation | None:
    """The observation of the work that runs here, or None outside of any."""
    return _current.get()


def note(**facts: object) -> None:
    """Add facts to the line of the current unit of work; nothing happens outside of any.

    Values that are no string, number, boolean or None are kept as text, cut at 1,024 characters.
    """
    observation = _current.get()
    if observation is not None:
        observation.note(**facts)


@contextmanager
def observe(
    name: str, *, kind: Kind = "work", expected: tuple[type[Exception], ...] = (), **facts: object
) -> Iterator[Observation]:
    """Observe a block of code as a unit of work of its own, part of the one around it where there is one.

    An exception is remembered and goes on; one of the `expected` types is no failure.
    """
    observation = Observation(kind, name, parent=_current.get())
    observation.note(**facts)
    with active(observation):
        try:
            yield observation
        except BaseException as error:
            observation.fail(error, expected=isinstance(error, expected))
            # Readers find the exception in sys.exc_info() here, and nowhere later.
            observation.close()
            raise
        else:
            observation.close()


def qualified_name(exception: type[BaseException]) -> str:
    """The name of an exception's type, with its module unless that is `builtins`."""
    if exception.__module__ == "builtins":
        return exception.__qualname__
    return f"{exception.__module__}.{exception.__qualname__}"


def _primitive(value: object) -> Fact:
    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # noqa: BLE001 - a fact must never break the work that it describes
        text = f"<{type(value).__qualname__} without a text>"
    return _cut(text, MAX_FACT_LENGTH)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
