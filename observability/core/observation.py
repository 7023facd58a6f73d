"""The Observation: the record of one unit of work."""

import os
import threading
import time
from collections import deque
from contextvars import Context
from typing import Any, Literal

from observability.core.http_attributes import HttpAttributes
from observability.core.readers import readers
from observability.core.steps import MAX_STEP_TEXT, Step
from observability.core.timeline import Timeline
from observability.core.trace_context import TraceParent
from observability.text import exception_type_name, safe_str, truncate

Kind = Literal["request", "command", "span"]
Fact = str | int | float | bool | None
TransactionOutcome = Literal["none", "committed", "rolled_back"]

MAX_FACTS = 32
MAX_FACT_NAME = 128
MAX_FACT_LENGTH = 1024
MAX_LAST_STEPS = 50
MAX_FINGERPRINTS = 200


class Observation:
    """The record of one unit of work: an HTTP request, a management command, or a `with observe(…)` block.

    `open_observation()` creates it. Recorders add steps from any thread or task that inherited it. The code that opened
    it calls `close()`; later steps are dropped. Steps of an observation also count in its parents. Durations are in
    milliseconds.

    Its size is bounded: 32 facts, the last 50 steps (each text cut at 2,048 characters), 200 fingerprints.

    facts: the facts that `note()` added.
    measurements: numbers that recorders set, by log key. `core/measurements.py` lists the keys.
    extensions: objects that other packages keep with the observation, each under its own key. An object with a method
        `to_measurements()` adds keys to the measurements. They are logged if its attribute `is_logged` is true.
    context: the context variables that the work set, for log records that are written outside of the work. None until
        they are known.
    """

    __slots__ = (
        "__weakref__", "_duration_ms", "_fingerprints", "_last_steps", "_lock", "_outgoing_count",
        "_outgoing_duration_ms", "_query_count", "_query_duration_ms", "_started_ns", "_uncounted", "context",
        "dropped_fact_count", "error_type", "extensions", "facts", "failed", "http", "kind", "measurements", "name",
        "parent", "parent_span_id", "request_id", "span_id", "started_at", "trace_id", "transaction",
    )  # fmt: skip

    trace_id: str
    parent_span_id: str | None

    def __init__(
        self,
        kind: Kind,
        name: str,
        *,
        request_id: str = "",
        caller: TraceParent | None = None,
        parent: "Observation | None" = None,
        http: HttpAttributes | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.http = http
        # One system call for all three ids: each system call costs as much as the rest of the constructor.
        random = os.urandom(40).hex()
        if parent is not None:
            request_id = request_id or parent.request_id
            caller = caller or TraceParent(parent.trace_id, parent.span_id)
        self.span_id: str = random[64:]
        self.request_id: str = request_id or random[:32]
        self.trace_id, self.parent_span_id = caller or (random[32:64], None)
        self.facts: dict[str, Fact] = {}
        self.measurements: dict[str, float] = {}
        self.extensions: dict[object, Any] = {}
        if parent is not None and parent.timeline is not None:
            self.timeline = parent.timeline
        self.context: Context | None = None
        self.error_type: str | None = None
        self.failed = False
        self.transaction: TransactionOutcome = "none"
        self.dropped_fact_count = self._query_count = self._outgoing_count = 0
        self._query_duration_ms = self._outgoing_duration_ms = 0.0
        self._fingerprints: dict[str, int] = {}
        self._last_steps: deque[Step] = deque(maxlen=MAX_LAST_STEPS)
        self._uncounted: deque[Step] = deque()
        self._lock = threading.RLock()
        self._duration_ms: float | None = None
        self.started_at = time.time()
        self._started_ns = time.perf_counter_ns()

    @property
    def duration_ms(self) -> float:
        """The duration of the work; while it runs, the time since its start."""
        return self._elapsed_ms() if self._duration_ms is None else self._duration_ms

    @property
    def is_closed(self) -> bool:
        return self._duration_ms is not None

    @property
    def root(self) -> "Observation":
        """The outermost observation around this one; this one if it has no parent."""
        observation = self
        while observation.parent is not None:
            observation = observation.parent
        return observation

    @property
    def request(self) -> Any:  # noqa: ANN401 - the framework's own class
        """Django's request; None if this observation is not a request, or if the request has been freed."""
        http = self.http
        return None if http is None or http.framework_request is None else http.framework_request()

    @property
    def timeline(self) -> Timeline | None:
        """All steps, if the work is profiled; otherwise None. Set it before the work begins. Children share it."""
        timeline: Timeline | None = self.extensions.get(Timeline)
        return timeline

    @timeline.setter
    def timeline(self, timeline: Timeline) -> None:
        self.extensions[Timeline] = timeline

    @property
    def query_count(self) -> int:
        if self._uncounted:
            self._count()
        return self._query_count

    @property
    def query_duration_ms(self) -> float:
        """The total duration of the queries."""
        if self._uncounted:
            self._count()
        return self._query_duration_ms

    @property
    def outgoing_count(self) -> int:
        """The number of outgoing HTTP requests."""
        if self._uncounted:
            self._count()
        return self._outgoing_count

    @property
    def outgoing_duration_ms(self) -> float:
        """The total duration of the outgoing requests. Durations of requests that ran in parallel are added."""
        if self._uncounted:
            self._count()
        return self._outgoing_duration_ms

    @property
    def fingerprints(self) -> dict[str, int]:
        """The number of executions of each query fingerprint."""
        if self._uncounted:
            self._count()
        return self._fingerprints

    @property
    def last_steps(self) -> deque[Step]:
        """The last 50 steps, the oldest first."""
        if self._uncounted:
            self._count()
        return self._last_steps

    @property
    def repeated_count(self) -> int:
        """The number of executions of the most repeated query; 1 if none was repeated, 0 without queries."""
        return max(self.fingerprints.values(), default=0)

    def step_started_ms(self, step: Step) -> float:
        """Return the start of a step, in milliseconds since the start of the work."""
        return max(0.0, (step.ended_ns - self._started_ns) / 1e6 - step.duration_ms)

    def step_ended_at(self, step: Step) -> float:
        """Return the end of a step as a Unix timestamp in seconds; the start of the work if the end is not known."""
        return self.started_at + max(0, step.ended_ns - self._started_ns) / 1e9

    def note(self, **facts: object) -> None:
        """Add facts. After 32 keys, new keys are dropped and counted in `dropped_fact_count`."""
        if self.is_closed:
            return
        for name, value in facts.items():
            key = name[:MAX_FACT_NAME]
            if key in self.facts or len(self.facts) < MAX_FACTS:
                self.facts[key] = _to_fact(value)
            else:
                self.dropped_fact_count += 1

    def fail(self, error: BaseException, *, expected: bool = False) -> None:
        """Record the exception that ended the work. A later exception does not replace it.

        `error_type` is set for every exception. `failed` is not set if the exception is `expected`, or if it is not an
        `Exception` (a canceled task, Ctrl-C).
        """
        if self.error_type is None and not self.is_closed:
            self.error_type = exception_type_name(type(error))
            if self.timeline is not None and self.parent is None:
                self.timeline.fail(error)
            self.failed = isinstance(error, Exception) and not expected

    def add_step(self, step: Step) -> None:
        """Count a step in this observation and its parents, and pass it to the readers. No-op if it is closed."""
        if self._duration_ms is not None:
            return
        observation: Observation | None = self
        while observation is not None:
            uncounted = observation._uncounted  # noqa: SLF001 - the same class
            uncounted.append(step)
            if len(uncounted) >= MAX_LAST_STEPS or len(step.text) > MAX_STEP_TEXT:
                observation._count()  # noqa: SLF001 - as above
            observation = observation.parent
        readers.step(self, step)

    def _count(self) -> None:
        """Count the steps that were added since the last call. Counting in batches costs half of counting one by one.

        Other threads may add steps at the same time: a deque does not lose them. Steps added after the end are dropped.
        """
        with self._lock:
            steps = self._uncounted
            if self._duration_ms is not None:
                steps.clear()
            while steps:
                step = steps.popleft()
                kind, text, _, duration_ms, fingerprint, _ = step
                short = step if len(text) <= MAX_STEP_TEXT else step._replace(text=truncate(text, MAX_STEP_TEXT))
                self._last_steps.append(short)
                if kind == "query":
                    self._query_count += 1
                    self._query_duration_ms += duration_ms
                    if fingerprint in self._fingerprints:
                        self._fingerprints[fingerprint] += 1
                    elif len(self._fingerprints) < MAX_FINGERPRINTS:
                        self._fingerprints[fingerprint] = 1
                elif kind == "http_client":
                    self._outgoing_count += 1
                    self._outgoing_duration_ms += duration_ms

    def set_transaction_outcome(self, outcome: TransactionOutcome) -> None:
        """Record the end of a transaction in this observation and its parents. `rolled_back` is never replaced."""
        observation: Observation | None = self
        while observation is not None:
            if observation.transaction != "rolled_back" and not observation.is_closed:
                observation.transaction = outcome
            observation = observation.parent

    def close(self) -> None:
        """End the work and call `closed` of each reader. Later calls are no-ops."""
        with self._lock:
            if self.is_closed:
                return
            self._count()
            self._duration_ms = self._elapsed_ms()
        if self.timeline is not None:
            if self.parent is None:
                self.timeline.origin_cache.clear()
            else:
                self.timeline.add(Step("span", self.name, "", self._duration_ms, ended_ns=time.perf_counter_ns()))
        readers.closed(self)

    def _elapsed_ms(self) -> float:
        return (time.perf_counter_ns() - self._started_ns) / 1e6


def _to_fact(value: object) -> Fact:
    if value is None or isinstance(value, bool | int | float):
        return value
    return truncate(safe_str(value), MAX_FACT_LENGTH)
