"""A step: one thing that happened within a unit of work. Standard library only."""

from typing import Literal, NamedTuple

StepKind = Literal[
    "query", "commit", "rollback", "call", "line",
    # In the details of an observation alone.
    "begin", "savepoint", "release savepoint", "rollback to savepoint", "work",
]  # fmt: skip

MAX_STEP_TEXT = 2048


class Step(NamedTuple):
    """One thing that happened within a unit of work; primitives only.

    `text` is the statement with placeholders (query; a large one is folded as its fingerprint is), the event (line), or
    method, host and outcome (call): `GET api.example.com 200`, or the exception's name in the place of the status.
    `source` is the alias of the database, the logger, or the host. A step with a `fingerprint` is counted under it.
    `ended_ns` is the time of `time.perf_counter_ns()` at its end, 0 where it is not known.
    """

    kind: StepKind
    text: str
    source: str
    duration_ms: float = 0.0
    fingerprint: str = ""
    ended_ns: int = 0
