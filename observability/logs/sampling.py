"""Tail sampling: which access lines are written, decided when all is known of their request."""

import logging
from functools import lru_cache
from typing import Any

from observability.core.observation import MAX_FINGERPRINTS, Observation
from observability.recorders.log_records import find_observation, record_facts

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SAMPLE_RATE = "sample_rate"

READING = ("SELECT", "(SELECT", "EXPLAIN", "SHOW", "DESCRIBE", "PRAGMA", "VALUES", "FETCH", "SET ")
WRITING_PARTS = ("INSERT INTO ", "UPDATE ", "DELETE FROM ", "MERGE INTO ")
RANDOM_BITS = 56


class TailSampling(logging.Filter):
    """Lets through one in `keep_one_in` access lines, and each one that tells more than that all went well.

    Always kept: failures (WARNING and above: 4xx, 5xx, an exception), requests of `slow_ms` and more, writes (by method
    or by statement), rollbacks, and requests over their query budget. A line that is kept by chance carries
    `sample_rate`, the number of requests that it stands for: the sum of `sample_rate`, 1 where there is none, over all
    lines is the number of requests.

    The trace id decides, as in OpenTelemetry's consistent probability sampling: its rightmost 56 bits are random, and
    what is below a threshold is rejected, so all services that sample so keep the same traces, and one that keeps more
    keeps these among them.
    https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
    """

    def __init__(self, keep_one_in: int = 1, slow_ms: float = 1000) -> None:
        super().__init__()
        if type(keep_one_in) is not int or keep_one_in < 1:
            raise ValueError(f"keep_one_in is {keep_one_in!r}: a whole number from 1, which keeps all lines.")
        if isinstance(slow_ms, bool) or not isinstance(slow_ms, int | float) or not slow_ms >= 0:
            raise ValueError(f"slow_ms is {slow_ms!r}: milliseconds, from 0.")
        self.keep_one_in = keep_one_in
        self.slow_ms = slow_ms
        self._threshold = (1 << RANDOM_BITS) - (1 << RANDOM_BITS) // keep_one_in

    def filter(self, record: logging.LogRecord) -> bool:
        observation = find_observation(record)
        if observation is None or observation.http is None:
            return True
        if SAMPLE_RATE in observation.facts:
            # What the service noted under this name is not how many requests the line stands for.
            self._mark(record, observation, 1)
        if self.keep_one_in == 1 or record.levelno >= logging.WARNING or self._is_always_kept(record, observation):
            return True
        if int(observation.trace_id[-RANDOM_BITS // 4 :], 16) < self._threshold:
            return False
        self._mark(record, observation, self.keep_one_in)
        return True

    def _is_always_kept(self, record: logging.LogRecord, observation: Observation) -> bool:
        return (
            observation.duration_ms >= self.slow_ms
            or (observation.http is not None and observation.http.method not in SAFE_METHODS)
            or observation.transaction == "rolled_back"
            or bool(record_facts(record, observation).get("db.over_budget"))
            # Of statements beyond these nothing is known.
            or len(observation.fingerprints) >= MAX_FINGERPRINTS
            or any(map(writes, observation.fingerprints))
        )

    def _mark(self, record: logging.LogRecord, observation: Observation, rate: int) -> None:
        facts: dict[str, Any] = record.__dict__.setdefault("facts", {})
        facts[SAMPLE_RATE] = rate
        if SAMPLE_RATE in observation.facts:
            facts[f"note.{SAMPLE_RATE}"] = observation.facts[SAMPLE_RATE]


@lru_cache(maxsize=1024)
def writes(statement: str) -> bool:
    """Whether a statement may change rows: whatever is not known to read does."""
    text = statement.lstrip().upper()
    if text.startswith("WITH"):
        return any(part in text for part in WRITING_PARTS)
    return not text.startswith(READING)
