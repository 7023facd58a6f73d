"""What happened in a call, in order; what happened again and again for one reason is told once, with how often."""

from dataclasses import dataclass, field
from typing import Any

from observability.profiler.pages.call import Call

Document = dict[str, Any]


@dataclass
class Happening:
    """One entry of the list: a query (`count` times), a log line, a call, or a part of a transaction.

    `at_ms` is when the first began, `duration_ms` how long all took together. `number` is its own in the list.
    """

    number: int
    kind: str
    at_ms: float
    duration_ms: float = 0.0
    count: int = 1
    text: str = ""
    full: str = ""
    source: str = ""
    level: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    cause: Document = field(default_factory=dict)
    advice: str = ""
    errors: list[str] = field(default_factory=list)
    stack: str = ""
    # When each of them began, and how long it took.
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_repeated(self) -> bool:
        return self.kind == "query" and self.count > 1


def happenings(call: Call) -> list[Happening]:
    """The steps of a call; queries of one statement, one database and one cause are one entry, at the first of them."""
    found: list[Happening] = []
    of_statement: dict[int, Happening] = {}
    for step in call.document["steps"]:
        duration_ms = step.get("duration_ms", 0.0)
        statement = step.get("statement")
        happening = None if statement is None else of_statement.get(statement)
        if happening is None:
            happening = _query(len(found) + 1, call, step) if statement is not None else _other(len(found) + 1, step)
            found.append(happening)
            if statement is not None:
                of_statement[statement] = happening
        else:
            happening.count += 1
        happening.duration_ms += duration_ms
        happening.times.append((step["at_ms"], duration_ms))
        if step.get("error"):
            happening.errors.append(step["error"])
    return found


def _query(number: int, call: Call, step: Document) -> Happening:
    statement = call.document["statements"][step["statement"]]
    database = statement["database"]
    return Happening(
        number,
        "query",
        step["at_ms"],
        text=statement["short"],
        full=statement["text"],
        source="" if database == "default" else database,
        cause=statement["cause"],
        advice=statement["advice"],
    )


def _other(number: int, step: Document) -> Happening:
    source = str(step.get("logger") or step.get("source") or "")
    return Happening(
        number,
        step["kind"],
        step["at_ms"],
        text=step["text"],
        source="" if source == "default" else source,
        level=step.get("level", ""),
        facts=step.get("facts", {}),
        stack=step.get("stack", ""),
    )
