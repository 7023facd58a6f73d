"""Calls of the store, made by hand."""

from typing import Any

from observability.profiler.pages.call import NO_DOCUMENT, Call
from observability.profiler.profiles.store import COLUMNS, Row

NO_CAUSE = {"lines": [], "field": "", "declared": "", "view": ""}


def row(**values: Any) -> Row:  # noqa: ANN401 - a value for each column
    known: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "number": 1,
        "id": "a",
        "request_id": "request-a",
        "is_running": False,
        "process": 1,
        "started_at": 0.0,
        "method": "GET",
        "path": "/books/",
        "status": 200,
        "transaction": "none",
    }
    return Row(**known | values)


def statement(text: str, count: int = 1, duration_ms: float = 1.0, database: str = "default") -> dict[str, Any]:
    return {
        "text": text,
        "short": text,
        "database": database,
        "count": count,
        "duration_ms": duration_ms,
        "cause": NO_CAUSE,
        "advice": "",
    }


def query(at_ms: float, number: int, **others: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"kind": "query", "at_ms": at_ms, "duration_ms": 1.0, "statement": number} | others


def step(kind: str, at_ms: float, source: str = "default", duration_ms: float = 0.5) -> dict[str, Any]:
    return {"kind": kind, "at_ms": at_ms, "text": kind.upper(), "source": source, "duration_ms": duration_ms}


def call(
    steps: list[dict[str, Any]] | None = None,
    statements: list[dict[str, Any]] | None = None,
    **values: Any,  # noqa: ANN401
) -> Call:
    document = NO_DOCUMENT | {"steps": steps or [], "statements": statements or []}
    return Call(row(**values), document)
