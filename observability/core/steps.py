"""A step: one thing that happened inside an observation."""

from typing import Literal, NamedTuple

StepKind = Literal[
    "query", "commit", "rollback", "http_client", "log",
    # In a timeline only.
    "begin", "savepoint", "release savepoint", "rollback to savepoint", "span",
]  # fmt: skip

MAX_STEP_TEXT = 2048


class Step(NamedTuple):
    """One thing that happened inside an observation. All values are strings and numbers.

    text: for a query, the SQL with placeholders, or its fingerprint if the SQL is very long. For a log record, its
        event. For an outgoing request, method, host and outcome, such as `GET api.example.com 200`; if the request
        failed, the name of the exception instead of the status.
    source: the alias of the database, the name of the logger, or the host.
    fingerprint: the fingerprint of a query. Queries with the same fingerprint are counted together.
    ended_ns: `time.perf_counter_ns()` at the end of the step; 0 if not known.
    """

    kind: StepKind
    text: str
    source: str
    duration_ms: float = 0.0
    fingerprint: str = ""
    ended_ns: int = 0
