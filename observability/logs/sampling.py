"""Tail sampling of the access log: the decision to write a line is made when the request has ended."""

import logging
from functools import lru_cache

from observability.core.observation import MAX_FINGERPRINTS, Observation
from observability.recorders.log_records import find_observation, record_facts

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SAMPLE_RATE = "sample_rate"

READ_PREFIXES = ("SELECT", "(SELECT", "EXPLAIN", "SHOW", "DESCRIBE", "PRAGMA", "VALUES", "FETCH", "SET ")
WRITE_KEYWORDS = ("INSERT INTO ", "UPDATE ", "DELETE FROM ", "MERGE INTO ")
RANDOM_BITS = 56


class TailSamplingFilter(logging.Filter):
    """Pass one in `keep_one_in` access log lines of ordinary successful requests, and all other access log lines.

    These lines are always written: failures (WARNING and above: 4xx, 5xx, an exception), requests that take `slow_ms`
    or more, requests that write (by their method or SQL), rollbacks, and requests that exceed their query budget. A
    sampled line has the key `sample_rate`, the number of requests that it represents. The number of all requests is the
    sum of `sample_rate` over all lines; a line without this key counts as 1.

    The trace id decides, as in OpenTelemetry's consistent probability sampling: its rightmost 56 bits are random, and
    a value below the threshold is rejected. So all services with the same rate write the same traces, and a service
    with a higher rate writes these and additional ones.
    https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
    """

    def __init__(self, keep_one_in: int = 1, slow_ms: float = 1000) -> None:
        super().__init__()
        if type(keep_one_in) is not int or keep_one_in < 1:
            raise ValueError(f"keep_one_in is {keep_one_in!r}. Allowed: a whole number, 1 or more; 1 writes all lines.")
        if isinstance(slow_ms, bool) or not isinstance(slow_ms, int | float) or not slow_ms >= 0:
            raise ValueError(f"slow_ms is {slow_ms!r}. Allowed: a number of milliseconds, 0 or more.")
        self.keep_one_in = keep_one_in
        self.slow_ms = slow_ms
        self._threshold = (1 << RANDOM_BITS) - (1 << RANDOM_BITS) // keep_one_in

    def filter(self, record: logging.LogRecord) -> bool:
        observation = find_observation(record)
        if observation is None or observation.http is None:
            return True
        if SAMPLE_RATE in observation.facts:
            # Set the rate: otherwise a fact of `note()` with the name `sample_rate` would count as the rate.
            self._mark(record, observation, 1)
        if self.keep_one_in == 1 or record.levelno >= logging.WARNING or self._is_always_written(record, observation):
            return True
        if int(observation.trace_id[-RANDOM_BITS // 4 :], 16) < self._threshold:
            return False
        self._mark(record, observation, self.keep_one_in)
        return True

    def _is_always_written(self, record: logging.LogRecord, observation: Observation) -> bool:
        return (
            observation.duration_ms >= self.slow_ms
            or (observation.http is not None and observation.http.method not in SAFE_METHODS)
            or observation.transaction == "rolled_back"
            or bool(record_facts(record, observation).get("db.over_budget"))
            # Further fingerprints are not recorded, and any of them may be a write.
            or len(observation.fingerprints) >= MAX_FINGERPRINTS
            or any(map(may_write, observation.fingerprints))
        )

    def _mark(self, record: logging.LogRecord, observation: Observation, rate: int) -> None:
        facts: dict[str, object] = record.__dict__.setdefault("facts", {})
        facts[SAMPLE_RATE] = rate
        if SAMPLE_RATE in observation.facts:
            facts[f"note.{SAMPLE_RATE}"] = observation.facts[SAMPLE_RATE]


@lru_cache(maxsize=1024)
def may_write(sql: str) -> bool:
    """Return whether SQL may change rows. SQL counts as a write unless it is known to be a read."""
    text = sql.lstrip().upper()
    if text.startswith("WITH"):
        return any(part in text for part in WRITE_KEYWORDS)
    return not text.startswith(READ_PREFIXES)
