"""A step: one thing that happened inside an observation."""

from typing import Literal, NamedTuple

StepKind = Literal[
    "query", "commit", "rollback", "http_client", "log",
    # In a timeline only.
    "begin", "savepoint", "release savepoint", "rollback to savepoint", "span",
]  # fmt: skip

MAX_STEP_TEXT = 2048


class Step(NamedTuple):
    """One thing that happened inside an observation. All values are primitives.

    text: the SQL with placeholders (query; the fingerprint if it is very long), the event (log), or method, host and
        outcome (http_client): `GET api.example.com 200`, or the exception's name instead of the status.
    source: the alias of the database, the name of the logger, or the host.
    fingerprint: what a query is counted under.
    ended_ns: `time.perf_counter_ns()` at its end, 0 if not known.
    """

    kind: StepKind
    text: str
    source: str
    duration_ms: float = 0.0
    fingerprint: str = ""
    ended_ns: int = 0
